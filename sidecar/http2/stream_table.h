// SPDX-License-Identifier: Apache-2.0
#pragma once

// The streams of one end of a connection: those that are open on either side, by id, and which ones
// were reset by us a moment ago, whose late frames are no fault of the peer. PURE.
//
//   Stream stream{.id = 1};                 // belongs to whoever uses the endpoint
//   table.add(stream);                      // ids grow
//   table.find(1);                          // &stream; nullptr: idle or closed
//   table.remove(stream);
//
// Memory: 8 to 16 bytes a stream, 128 once one was reset. Thread-safety: one thread. find:
// O(log n); add: O(1); remove: O(n) of a memmove.

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "sidecar/http2/head.h"

namespace outrider::http2 {

struct Stream {
  std::uint32_t id = 0;
  std::int32_t send_window = 0;     // At most 2^31 - 1, and may be negative (RFC 9113, 6.9.2).
  std::int32_t receive_window = 0;  // What the peer may still send.
  std::uint32_t ungranted = 0;      // Bytes that have come, passed on, and were not granted again.
  std::int64_t content_left = no_content_length;
  bool is_open = false;          // In the table.
  bool is_head_request = false;  // Its response has no body, whatever its length says.
  bool has_head = false;         // Its (final) head has come.
  bool remote_ended = false;     // The peer has sent its end; local_ended: we have.
  bool local_ended = false;
};

class StreamTable {
 public:
  std::size_t count() const { return streams_.size(); }
  std::uint32_t last_id() const { return last_id_; }
  void note_id(std::uint32_t id) { last_id_ = std::max(last_id_, id); }

  Stream* find(std::uint32_t id) const {
    const auto at = lower_bound(id);
    return at != streams_.end() && (*at)->id == id ? *at : nullptr;
  }
  void add(Stream& stream) {
    stream.is_open = true;
    note_id(stream.id);
    streams_.push_back(&stream);
  }
  void remove(Stream& stream) {
    if (!stream.is_open) return;
    stream.is_open = false;
    streams_.erase(lower_bound(stream.id));
  }
  template <class Each>
  void each(Each&& each) const {
    for (Stream* stream : streams_) each(*stream);
  }

  // Reset or refused, by us or by the peer.
  enum class Reset : std::uint8_t { none, by_us, by_peer };
  void note_reset(std::uint32_t id, Reset by = Reset::by_us) {
    if (reset_ == nullptr) reset_ = std::make_unique<ResetIds>();
    std::uint32_t& slot = (*reset_)[resets_++ % reset_->size()];
    forgotten_ = std::max(forgotten_, slot & id_mask);
    slot = id | (by == Reset::by_peer ? peer_bit : 0);
  }
  // By us: frames of it may still come in good faith. One that is too old to be remembered counts
  // as such.
  Reset reset_of(std::uint32_t id) const {
    if (reset_ == nullptr) return Reset::none;
    const auto at = std::find_if(reset_->begin(), reset_->end(),
                                 [id](std::uint32_t slot) { return (slot & id_mask) == id; });
    if (at != reset_->end()) return (*at & peer_bit) != 0 ? Reset::by_peer : Reset::by_us;
    return id <= forgotten_ ? Reset::by_us : Reset::none;
  }

 private:
  static constexpr std::uint32_t peer_bit = 0x80000000u, id_mask = 0x7fffffffu;
  using ResetIds = std::array<std::uint32_t, 32>;
  std::vector<Stream*>::const_iterator lower_bound(std::uint32_t id) const {
    return std::lower_bound(streams_.begin(), streams_.end(), id,
                            [](const Stream* s, std::uint32_t wanted) { return s->id < wanted; });
  }

  std::vector<Stream*> streams_;     // By id.
  std::unique_ptr<ResetIds> reset_;  // The newest ones; nullptr: none was.
  std::uint32_t last_id_ = 0, resets_ = 0, forgotten_ = 0;
};

}  // namespace outrider::http2
