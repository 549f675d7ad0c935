// SPDX-License-Identifier: Apache-2.0
#include "base/config/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

namespace outrider::config {
namespace {

Failure cannot_write(const std::filesystem::path& file) {
  return fail("cannot_write", file.string() + ": " + std::strerror(errno));
}

bool write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

// What is half written is removed.
Result<void> write_file(const std::filesystem::path& file, std::string_view bytes, mode_t mode,
                        bool synced) {
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (descriptor < 0) return cannot_write(file);
  if (!write_all(descriptor, bytes) || (synced && ::fsync(descriptor) != 0)) {
    const Failure failure = cannot_write(file);
    ::close(descriptor);
    ::unlink(file.c_str());
    return failure;
  }
  if (::close(descriptor) != 0) return cannot_write(file);
  return {};
}

std::filesystem::path neighbour_of(const std::filesystem::path& file) {
  return file.string() + ".new";
}

}  // namespace

Result<void> write_synced(const std::filesystem::path& file, std::string_view bytes, mode_t mode) {
  return write_file(file, bytes, mode, true);
}

Result<void> sync_folder(const std::filesystem::path& folder) {
  const std::filesystem::path named = folder.empty() ? "." : folder;
  const int descriptor = ::open(named.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return cannot_write(named);
  const bool synced = ::fsync(descriptor) == 0;
  const Failure failure = cannot_write(named);
  ::close(descriptor);
  if (!synced) return failure;
  return {};
}

Result<void> replace_file(const std::filesystem::path& file, std::string_view bytes, mode_t mode) {
  const std::filesystem::path neighbour = neighbour_of(file);
  if (auto ok = write_synced(neighbour, bytes, mode); !ok) return ok;
  if (::rename(neighbour.c_str(), file.c_str()) != 0) return cannot_write(file);
  return sync_folder(file.parent_path());
}

Result<void> put_file(const std::filesystem::path& file, std::string_view bytes) {
  if (file.has_parent_path()) {
    std::error_code ignored;  // Opening tells.
    std::filesystem::create_directories(file.parent_path(), ignored);
  }
  const std::filesystem::path neighbour = neighbour_of(file);
  if (auto ok = write_file(neighbour, bytes, everybody_reads, false); !ok) return ok;
  if (::rename(neighbour.c_str(), file.c_str()) != 0) return cannot_write(file);
  return {};
}

}  // namespace outrider::config
