// SPDX-License-Identifier: Apache-2.0
#pragma once

// The one buffer that all connections of a data thread read into. What is not used at once is kept
// in a ByteBuffer; the more bytes are kept so, the less one read may bring, so that `bytes_max`
// (proxy.buffer-bytes, a thread's share) bounds them softly. PURE.
//
//   ReadBuffer buffer(1 << 20, bytes_held);
//   recv(socket, buffer.room().data(), buffer.room().size());
//
// Thread-safety: one thread.

#include <cstddef>
#include <span>
#include <vector>

namespace outrider::proxy {

class ReadBuffer {
 public:
  static constexpr std::size_t large = 128 << 10, small = 16 << 10, least = 4 << 10;

  ReadBuffer(std::size_t bytes_max, const std::size_t& bytes_held)
      : bytes_max_(bytes_max), bytes_held_(bytes_held), bytes_(large) {}

  // For one read.
  std::span<char> room() {
    const std::size_t size = bytes_held_ < bytes_max_ / 4 ? large
                             : bytes_held_ < bytes_max_   ? small
                                                          : least;
    return {bytes_.data(), size};
  }

 private:
  const std::size_t bytes_max_;
  const std::size_t& bytes_held_;
  std::vector<char> bytes_;
};

}  // namespace outrider::proxy
