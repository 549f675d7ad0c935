// SPDX-License-Identifier: Apache-2.0
// What a user sets of this room.
#include "base/config/options.h"

#include "agent/tickets/ticket_desk.h"

namespace outrider::tickets {

void TicketDesk::Settings::add_to(config::OptionTable& options) {
  options
      .add("tickets.max-per-hour", opened_per_hour_max,
           "Tickets opened within an hour (`ticket:` of the policy); past it they wait.")
      .between(1, 10'000);
}

}  // namespace outrider::tickets
