// SPDX-License-Identifier: Apache-2.0
#pragma once

// Files that survive a crash whole or not at all. SHELL. Each function throws std::system_error,
// naming the file, when the system refuses.

#include <string>
#include <string_view>

namespace outrider::registry {

// Writes to a neighbour, syncs it, renames it over `path` and syncs the folder: a reader sees the
// old text or the new one, also after a power cut.
void replace_file(const std::string& path, std::string_view text);

// Writes and syncs a file that nobody reads yet.
void write_synced(const std::string& path, std::string_view text);
void sync_folder(const std::string& path);

// An exclusive lock between processes, held while the object lives. The system lets go of it when
// the process dies.
class FolderLock {
 public:
  explicit FolderLock(const std::string& path);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int file_ = -1;
};

}  // namespace outrider::registry
