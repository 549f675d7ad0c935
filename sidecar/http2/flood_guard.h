// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a peer may make us do for nothing, counted a connection (docs/http2.md has the attacks).
// PURE.
//
//   guard.begin_turn(now);
//   if (guard.note_ping() …) fail(Violation::reply_flood);      // each says whether it is too much
//
// The formulas are Envoy's (PRIORITY, WINDOW_UPDATE) and nginx's (bytes to payload).
// Thread-safety: one thread. O(1), no allocation.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace outrider::http2 {

class FloodGuard {
 public:
  using Instant = std::chrono::steady_clock::time_point;
  static constexpr std::uint64_t resets_at_once = 1000, resets_a_second = 33;
  static constexpr std::uint64_t empty_data_max = 100, replies_max = 100;
  static constexpr std::uint64_t priorities_a_stream = 100;
  static constexpr std::uint64_t overhead_factor = 8, overhead_bytes_free = 1 << 20;

  void begin_turn(Instant now) { now_ = now; }
  void note_stream() { ++streams_; }
  void note_data_sent() { ++data_sent_; }
  void note_flushed() { replies_ = 0; }  // The peer's socket has taken all.

  // Of all frames: `bytes` with their heads, of which `payload` says something.
  bool note_frame(std::uint64_t bytes, std::uint64_t payload) {
    bytes_ += bytes;
    payload_ += payload;
    return bytes_ / overhead_factor > payload_ + overhead_bytes_free;
  }
  bool note_reset() {
    if (now_ > filled_) {
      const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(now_ - filled_);
      const auto earned = static_cast<std::uint64_t>(waited.count()) * resets_a_second / 1000;
      if (earned != 0) filled_ = now_;
      resets_ -= std::min(resets_, earned);
    }
    return ++resets_ > resets_at_once;
  }
  bool note_data(std::size_t content, bool ends) {
    empty_data_ = content == 0 && !ends ? empty_data_ + 1 : 0;
    return empty_data_ > empty_data_max;
  }
  bool note_priority() { return ++priorities_ > priorities_a_stream * (1 + streams_); }
  bool note_window_update() { return ++window_updates_ > 5 + 2 * (streams_ + 10 * data_sent_); }
  bool note_reply() { return ++replies_ > replies_max; }

 private:
  Instant now_{}, filled_{};
  std::uint64_t bytes_ = 0, payload_ = 0, resets_ = 0, streams_ = 0, data_sent_ = 0;
  std::uint64_t empty_data_ = 0, priorities_ = 0, window_updates_ = 0, replies_ = 0;
};

}  // namespace outrider::http2
