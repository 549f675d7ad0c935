// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a person types besides running the agent: trying a policy, reading the
// journal.

#include "base/config/program.h"

namespace outrider {

// `outrider-agent policy test FILE`: the tests of a policy, or what it says about an incident.
config::Command policy_test_command();

// `outrider-agent journal export`: the journal of an agent that does not run, as JSON lines. One
// that runs gives it by GET /api/v1/journal.
config::Command journal_export_command();

}  // namespace outrider
