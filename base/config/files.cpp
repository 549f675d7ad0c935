// SPDX-License-Identifier: Apache-2.0
#include "base/config/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace outrider::config {

Result<void> replace_file(const std::filesystem::path& file, std::string_view bytes) {
  const std::string temporary = file.string() + ".new";
  const auto failed = [&] { return fail("cannot_write", temporary + ": " + std::strerror(errno)); };
  const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  if (descriptor < 0) return failed();
  std::size_t written = 0;
  while (written < bytes.size()) {
    const ssize_t count = ::write(descriptor, bytes.data() + written, bytes.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      const Failure failure = failed();
      ::close(descriptor);
      ::unlink(temporary.c_str());
      return failure;
    }
    written += static_cast<std::size_t>(count);
  }
  const bool synced = ::fsync(descriptor) == 0;
  const bool closed = ::close(descriptor) == 0;
  if (!synced || !closed || ::rename(temporary.c_str(), file.c_str()) != 0) return failed();
  return {};
}

}  // namespace outrider::config
