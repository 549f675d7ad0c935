// SPDX-License-Identifier: Apache-2.0
// What a user sets of this room.
#include "base/config/options.h"

#include "agent/ahead/forecaster.h"

namespace outrider::ahead {

void Forecaster::Settings::add_to(config::OptionTable& options) {
  options
      .add("forecast.max-series", series_max,
           "Series forecast at once; past it new ones are turned away and counted. 0: nothing is "
           "forecast.")
      .between(0, 100'000);
  options
      .add("forecast.learn-from", learn_from,
           "How much of the past Prometheus is asked for at the start, minute by minute, to learn "
           "what a replica bears.")
      .between(0, 30.0 * 86'400);
  options.add("forecast.every", every, "How often Prometheus is asked for what is new.")
      .between(1, 3600);
}

}  // namespace outrider::ahead
