// SPDX-License-Identifier: Apache-2.0
#pragma once

// Programs that are installed side by side, in one folder. SHELL.

#include <string>
#include <string_view>
#include <vector>

namespace outrider::config {

// The path of the program `name` in the folder of the running program. "" where that folder cannot
// be told (no /proc).
std::string sibling_program(std::string_view name);

// The commands that moved to the program `outrider` go on working under a program's old name for
// one release.
bool moved_to_outrider(const std::vector<std::string>& moved, int argc, char** argv);

// Goes on as `outrider`, with the same arguments, after a line on standard error that says so.
// Returns only when it cannot: prints why and what to change, and returns exit status 1.
int go_on_as_outrider(std::string_view program, char** argv);

}  // namespace outrider::config
