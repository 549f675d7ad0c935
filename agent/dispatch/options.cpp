// SPDX-License-Identifier: Apache-2.0
// What a user sets of this room.
#include "base/config/options.h"

#include "agent/dispatch/dispatcher.h"

namespace outrider {

void Dispatcher::Settings::add_to(config::OptionTable& options) {
  options
      .add("actions.max-active", active_actions_max,
           "Actions queued, being sent or watched; past it none is let go.")
      .between(1, 100'000);
}

}  // namespace outrider
