// SPDX-License-Identifier: Apache-2.0
#pragma once

// Encodes HPACK (RFC 7541): one a direction of a connection, since its table remembers. PURE.
//
//   HpackEncoder encoder;
//   encoder.set_peer_limit(4096);            // SETTINGS_HEADER_TABLE_SIZE of the peer
//   encoder.begin(out);                      // appends; says what changed of the table's size
//   encoder.add({":status", "200"}, out); …
//
// Which fields are indexed: those whose values come again. What is secret (credentials, and what
// the sender said must never be indexed) is a literal that no one may index; what differs from
// message to message (ids, times, lengths) and what is long is a literal without. A text is
// Huffman-coded where that is shorter.
//
// Complexity: linear in the field, and O(entries) to look it up. Thread-safety: one thread.

#include <string>

#include "sidecar/http2/field.h"
#include "sidecar/http2/hpack_table.h"

namespace outrider::http2 {

class HpackEncoder {
 public:
  void set_peer_limit(std::size_t limit);
  void begin(std::string& out);
  void add(const Field& field, std::string& out);
  const DynamicTable& table() const { return table_; }

 private:
  std::size_t find_in_table(std::uint32_t hash, const Field& field) const;
  std::size_t name_index(std::string_view name) const;

  DynamicTable table_;
  std::size_t lowest_limit_ = DynamicTable::size_max;  // Since the last block.
  bool limit_changed_ = false;
};

}  // namespace outrider::http2
