// SPDX-License-Identifier: Apache-2.0
#pragma once

// The heads that we send: a block, encoded by the connection's HPACK table, in a HEADERS frame and,
// where it is longer than a frame, CONTINUATION frames. PURE, one thread. Linear in the bytes.
//
//   writer.begin(stream.id); writer.add({":status", "200"}); writer.end(stream.id, false);

#include <cstddef>
#include <cstdint>
#include <string>

#include "sidecar/http2/hpack_encoder.h"

namespace outrider::http2 {

class HeadWriter {
 public:
  explicit HeadWriter(std::string& out) : out_(out) {}

  void begin(std::uint32_t stream_id);
  void add(const Field& field) { encoder_.add(field, out_); }
  void end(std::uint32_t stream_id, bool ends);
  void set_peer_limit(std::size_t limit) { encoder_.set_peer_limit(limit); }  // Of the table.

 private:
  std::string& out_;
  HpackEncoder encoder_;
  std::size_t at_ = 0;  // Of the HEADERS that is being written, in out_.
};

}  // namespace outrider::http2
