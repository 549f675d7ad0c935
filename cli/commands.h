// SPDX-License-Identifier: Apache-2.0
#pragma once

// Commands of `outrider`: each a config::Command with its own option table, which main lists. Exit
// status: 0 done, 1 failed (with the reason on standard error), 2 wrongly called.

#include "base/config/program.h"

namespace outrider::cli {

config::Command profile_command();  // --data FILE [--target COLUMN] --out FILE
config::Command inspect_command();  // FILE
config::Command
backtest_command();  // --reference FILE --data FILE …, --errors FILE …, or --input FILE …
config::Command inject_command();  // -f FILE [--uninject] …

}  // namespace outrider::cli
