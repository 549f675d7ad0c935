// SPDX-License-Identifier: Apache-2.0
#pragma once

// The sidecar's commands beside `serve`: each a config::Command with its own option table, which
// main lists. Exit status: 0 done, 1 failed (with the reason on standard error), 2 wrongly called.

#include "base/config/program.h"

namespace outrider::sidecar {

config::Command profile_command();   // --data FILE [--target COLUMN] --out FILE
config::Command inspect_command();   // FILE
config::Command backtest_command();  // --reference FILE --data FILE …, or --errors FILE …
config::Command inject_command();    // -f FILE [--uninject] …

}  // namespace outrider::sidecar
