// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace outrider::registry {

// An exclusive lock between processes, held while the object lives. The system lets go of it when
// the process dies. SHELL. Throws std::system_error, naming the file, when the system refuses.
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
