// SPDX-License-Identifier: Apache-2.0
// What a user sets of this room.
#include "base/config/options.h"

#include "agent/suspects/diagnoser.h"

namespace outrider::suspects {

void Diagnoser::Settings::add_to(config::OptionTable& options) {
  options
      .add("diagnose.baseline", times.baseline,
           "How long before an incident's onset counts as normal.")
      .between(300, 7 * 86400.0);
  options
      .add("diagnose.step", times.step,
           "Between the rows that Prometheus is asked for; an incident that began long ago has "
           "longer ones.")
      .between(1, 600);
  options
      .add("diagnose.rate-window", times.rate,
           "The window of rates: four scrape intervals or more.")
      .between(1, 3600);
  options
      .add("diagnose.lead", times.lead,
           "From a fault to its alert, at most: evaluation and `for`. The onset is searched from "
           "two minutes before that on.")
      .between(0, 3600);
  options
      .add("diagnose.timeout", bounds.timeout,
           "Of one question to Prometheus; all of an incident have four times that.")
      .between(0.1, 60);
  options.add("diagnose.threads", threads, "Incidents diagnosed at once.").between(1, 16);
}

}  // namespace outrider::suspects
