// SPDX-License-Identifier: Apache-2.0
#pragma once

// The sidecar's other program, outrider-monitor: the monitor process, and every command of outrider-sidecar but serve. It
// is a program of its own so that the process which carries traffic maps none of its libraries. SHELL.

#include <string>

namespace outrider::sidecar {

// Its path: in the folder of the running program. "" when that folder cannot be told (no /proc).
std::string monitor_program();

// Goes on as that program, with the same arguments. Returns only when it cannot: why, and what to change.
std::string become_monitor_program(char** argv);

}  // namespace outrider::sidecar
