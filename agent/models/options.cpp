// SPDX-License-Identifier: Apache-2.0
// What a user sets of this room.
#include "base/config/options.h"

#include "agent/models/right_size_watch.h"

namespace outrider::models {

void RightSizeWatch::Settings::add_to(config::OptionTable& options) {
  options
      .add("right-size.every", every,
           "How often Prometheus is asked what the models' containers use, for what they should "
           "ask for (docs/right-size.md). 0: not at all. It is a dear question.")
      .between(0, 7 * 86'400.0);
  options.add("right-size.history", history, "How much of the past counts.")
      .between(86'400, 90.0 * 86'400);
  options
      .add("right-size.namespaces", namespaces,
           "A pattern, anchored: only containers of these namespaces. Without it all.")
      .value_name("REGEX")
      .example("models|shop");
}

}  // namespace outrider::models
