// SPDX-License-Identifier: Apache-2.0
#pragma once

// Flow control of a whole connection (RFC 9113, 5.2), in both directions. Bytes. PURE, one thread,
// O(1).

#include <cstddef>
#include <cstdint>
#include <utility>

#include "sidecar/http2/frame.h"

namespace outrider::http2 {

class ConnectionWindow {
 public:
  explicit ConnectionWindow(std::uint32_t receive) : receive_(receive) {}

  // -- What we may still send.
  std::int64_t sendable() const { return send_; }
  void note_sent(std::size_t bytes) { send_ -= static_cast<std::int64_t>(bytes); }
  bool open(std::uint32_t increment) {  // False: past what a window may be.
    send_ += increment;
    return send_ <= window_max;
  }

  // -- What the peer may still send.
  bool take(std::uint32_t bytes) {  // False: more than that.
    if (bytes > receive_) return false;
    receive_ -= bytes;
    return true;
  }
  // Bytes that came and have left. How much is to be granted now: a grant waits until it is worth a
  // frame, half of the window; 0 until then.
  std::uint32_t grant(std::size_t bytes, std::uint32_t window) {
    ungranted_ += static_cast<std::uint32_t>(bytes);
    if (ungranted_ < window / 2) return 0;
    receive_ += ungranted_;
    return std::exchange(ungranted_, 0u);
  }

 private:
  std::int64_t send_ = window_usual;
  std::int64_t receive_;
  std::uint32_t ungranted_ = 0;
};

}  // namespace outrider::http2
