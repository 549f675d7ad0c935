// SPDX-License-Identifier: Apache-2.0
#pragma once

// The windows and rules of the inputs on disk, so that a restart goes on where the last process
// stopped. SHELL. Written whole beside the old file and renamed over it, so a crash leaves one or
// the other.

#include <filesystem>
#include <vector>

#include "base/core/result.h"
#include "sidecar/monitor/versions/monitor.h"

namespace outrider::monitor {

// Errors: "cannot_write".
Result<void> write_input_states(const std::filesystem::path& file,
                                const std::vector<monitor::Monitor::InputState>& states);

// No file: no states. Errors: "cannot_read", snapshot_* when it is cut, corrupt or foreign.
Result<std::vector<monitor::Monitor::InputState>> read_input_states(
    const std::filesystem::path& file);

}  // namespace outrider::monitor
