// SPDX-License-Identifier: Apache-2.0
#include "predictor/registry/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace outrider::registry {
namespace {

[[noreturn]] void refuse(const std::string& what, const std::string& path) {
  throw std::system_error(errno, std::generic_category(), "cannot " + what + " " + path);
}

}  // namespace

FolderLock::FolderLock(const std::string& path)
    : file_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
  if (file_ < 0) refuse("open", path);
  while (::flock(file_, LOCK_EX) != 0) {
    if (errno != EINTR) refuse("lock", path);
  }
}

FolderLock::~FolderLock() {
  ::close(file_);
}

}  // namespace outrider::registry
