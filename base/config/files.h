// SPDX-License-Identifier: Apache-2.0
#pragma once

// Small files of state. SHELL.

#include <filesystem>
#include <string_view>

#include "base/core/result.h"

namespace outrider::config {

// Writes a file whole, or not at all: under another name beside it, synced, then renamed. Error "cannot_write".
Result<void> replace_file(const std::filesystem::path& file, std::string_view bytes);

}  // namespace outrider::config
