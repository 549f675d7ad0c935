// SPDX-License-Identifier: Apache-2.0
#pragma once

// The journal as JSON lines, for a SIEM: signal -> incident -> diagnosis -> decision -> action ->
// outcome, with who and why. SHELL: reads the journal.
//
//   {"type": "change", "at": …, …}       what people and machines did
//   {"type": "incident", "at": …, …}     its alerts, evidence and diagnosis
//   {"type": "action", "at": …, …}       what was decided, its request, evidence and outcome
//   {"type": "step", "at": …, "action": ID, "incident": ID, "text": …}   each step of an action
//
// Incidents and changes by the newest first, then actions, each followed by its steps in order.
// Credentials and headers are not in it. Memory: one kind at a time, as the journal's limits have
// it.

#include <functional>
#include <string_view>

#include "agent/act/journal.h"

namespace outrider::act {

// What began at `since` or later. `write` gets whole lines; false from it ends the export.
void export_journal(const Journal& journal, Time since,
                    const std::function<bool(std::string_view line)>& write);

}  // namespace outrider::act
