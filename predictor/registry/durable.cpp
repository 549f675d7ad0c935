// SPDX-License-Identifier: Apache-2.0
#include "predictor/registry/durable.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

namespace outrider::registry {
namespace {

[[noreturn]] void refuse(const std::string& what, const std::string& path) {
  throw std::system_error(errno, std::generic_category(), "cannot " + what + " " + path);
}

class Descriptor {
 public:
  Descriptor(const std::string& path, int flags)
      : file_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {
    if (file_ < 0) refuse("open", path);
  }
  ~Descriptor() { ::close(file_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return file_; }

 private:
  int file_;
};

}  // namespace

void write_synced(const std::string& path, std::string_view text) {
  const Descriptor file(path, O_WRONLY | O_CREAT | O_TRUNC);
  while (!text.empty()) {
    const ssize_t written = ::write(file.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) refuse("write", path);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(file.get()) != 0) refuse("sync", path);
}

void sync_folder(const std::string& path) {
  const Descriptor folder(path, O_RDONLY | O_DIRECTORY);
  if (::fsync(folder.get()) != 0) refuse("sync", path);
}

void replace_file(const std::string& path, std::string_view text) {
  const std::string neighbour = path + ".new";
  write_synced(neighbour, text);
  if (std::rename(neighbour.c_str(), path.c_str()) != 0) refuse("replace", path);
  sync_folder(std::filesystem::path(path).parent_path().string());
}

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
