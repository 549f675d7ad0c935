// SPDX-License-Identifier: Apache-2.0
#pragma once

// The heads that a peer sends: a block in a HEADERS frame and the CONTINUATION frames behind it,
// decoded by the connection's HPACK table. PURE, one thread. Memory: a block while it is
// incomplete.
//
//   reader.begin(id, piece, ends);                     // HEADERS without END_HEADERS
//   reader.add(piece, limits.continuations, limits.block_bytes);
//   const HeadReader::Block block = reader.take();      // END_HEADERS
//   reader.decode(block.bytes, fields);

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "sidecar/http2/error.h"
#include "sidecar/http2/hpack_decoder.h"

namespace outrider::http2 {

class HeadReader {
 public:
  struct Block {
    std::uint32_t id;
    std::string bytes;
    bool ends;  // The stream.
  };

  bool awaits_end() const { return id_ != 0; }  // Within a head of several frames.
  std::uint32_t id() const { return id_; }      // Its stream; 0: none.

  void begin(std::uint32_t id, std::string_view piece, bool ends) {
    id_ = id;
    ends_ = ends;
    continuations_ = 0;
    bytes_ = piece;
  }
  // too_many_continuations, block_too_large.
  Violation add(std::string_view piece, std::size_t continuations_max, std::size_t bytes_max) {
    if (++continuations_ > continuations_max) return Violation::too_many_continuations;
    if (bytes_.size() + piece.size() > bytes_max) return Violation::block_too_large;
    bytes_ += piece;
    return Violation::none;
  }
  Block take() {
    Block block{id_, std::move(bytes_), ends_};
    bytes_ = {};
    id_ = 0;
    return block;
  }

  // Each block is decoded, also of a stream that is gone, since the table has to follow.
  Violation decode(std::string_view block, FieldBlock& fields) {
    return decoder_.decode(block, fields);
  }
  bool is_lost() const { return decoder_.is_lost(); }

 private:
  HpackDecoder decoder_;
  std::string bytes_;
  std::uint32_t id_ = 0;
  std::size_t continuations_ = 0;
  bool ends_ = false;
};

}  // namespace outrider::http2
