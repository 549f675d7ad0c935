// SPDX-License-Identifier: Apache-2.0
#pragma once

// The agent, wired: the only place where its rooms are put together.

#include "agent/settings.h"

namespace outrider {

// Runs until a signal; returns the exit status. Throws when it cannot start.
int run_agent(const AgentSettings& settings);

}  // namespace outrider
