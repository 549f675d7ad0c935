// SPDX-License-Identifier: Apache-2.0
// What a user sets of this room.
#include "base/config/options.h"

#include "agent/incident/incident_book.h"

namespace outrider::incident {

void IncidentBook::Limits::add_to(config::OptionTable& options) {
  options
      .add("incidents.max-open", open_max,
           "Open incidents; past it new ones are turned away and counted.")
      .between(1, 100'000);
  options
      .add("incidents.reopen-window", reopen_window,
           "An incident that fires again within it is reopened; later it is a new one.")
      .between(0, 30.0 * 86400);
}

}  // namespace outrider::incident
