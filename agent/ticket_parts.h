// SPDX-License-Identifier: Apache-2.0
#pragma once

// The ticket desk, tied to the journal, the options and the lease.

#include <functional>
#include <memory>

#include "agent/act/journal.h"
#include "agent/settings.h"
#include "agent/tickets/ticket_desk.h"

namespace outrider {

// To be started. `may_leave`: whether the lease is held; empty: none is needed. The journal
// outlives it.
std::shared_ptr<tickets::TicketDesk> ticket_desk_of(const AgentSettings& settings,
                                                    act::Journal& journal, const Clock& clock,
                                                    std::function<bool()> may_leave);
// One that a policy can be tried with: it follows nothing and is not started.
std::shared_ptr<tickets::TicketDesk> ticket_desk_for_trials(const Clock& clock);

}  // namespace outrider
