// SPDX-License-Identifier: Apache-2.0
#include "truth/log/accepted_counter.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace outrider::truth {
namespace {

constexpr std::size_t file_bytes = 4096;

Failure unwritable(const std::filesystem::path& file, int error) {
  return fail("log_unwritable", "cannot map " + file.string() + ": " + std::strerror(error) +
                                    "; free space there, or give another --data.dir");
}

}  // namespace

Result<std::unique_ptr<AcceptedCounter>> AcceptedCounter::open(const std::filesystem::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) return unwritable(file, errno);
  // Allocated, not only sized: writing to the map must not fail on a full disk.
  const int allocated = ::posix_fallocate(descriptor, 0, file_bytes);
  void* mapped = allocated != 0 ? MAP_FAILED
                                : ::mmap(nullptr, file_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                                         descriptor, 0);
  const int error = allocated != 0 ? allocated : errno;
  ::close(descriptor);
  if (mapped == MAP_FAILED) return unwritable(file, error);
  return std::unique_ptr<AcceptedCounter>(new AcceptedCounter(static_cast<std::uint64_t*>(mapped)));
}

AcceptedCounter::~AcceptedCounter() {
  ::munmap(mapped_, file_bytes);
}

}  // namespace outrider::truth
