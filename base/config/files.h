// SPDX-License-Identifier: Apache-2.0
#pragma once

// Files that survive a crash whole or not at all. SHELL. Error of each: "cannot_write", which names
// the file and the system's reason.

#include <sys/types.h>

#include <filesystem>
#include <string_view>

#include "base/core/result.h"

namespace outrider::config {

inline constexpr mode_t owner_and_group = 0640;
inline constexpr mode_t everybody_reads = 0644;

// Writes a neighbour (`file`.new), syncs it, renames it over `file` and syncs the folder: a reader
// sees the old bytes or the new ones, also after a power cut.
Result<void> replace_file(const std::filesystem::path& file, std::string_view bytes,
                          mode_t mode = owner_and_group);

// The same without a sync, for what a command makes and can make again: nobody sees half of it, but
// a power cut may lose it. Creates the folders that it stands in.
Result<void> put_file(const std::filesystem::path& file, std::string_view bytes);

// Writes and syncs a file that nobody reads yet. What is half written is removed.
Result<void> write_synced(const std::filesystem::path& file, std::string_view bytes,
                          mode_t mode = owner_and_group);

// Makes what was created, renamed or removed in the folder last.
Result<void> sync_folder(const std::filesystem::path& folder);

}  // namespace outrider::config
