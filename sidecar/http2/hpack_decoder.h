// SPDX-License-Identifier: Apache-2.0
#pragma once

// Decodes HPACK (RFC 7541): one a direction of a connection, since its table remembers. PURE.
//
//   HpackDecoder decoder;
//   FieldBlock block;                                    // of the thread
//   if (decoder.decode(bytes, block) != Violation::none) end_connection();
//
// bad_compression ends the connection, because the table is out of step then (is_lost). Behind
// too_many_fields and head_too_large the rest of the block is read for the table's sake alone, and
// the next block can be decoded; unless 1 MiB of text comes out of the block, which loses the table
// too. Complexity: linear in what comes out; a field allocates nothing. Thread-safety: one thread.

#include <string_view>

#include "sidecar/http2/error.h"
#include "sidecar/http2/field.h"
#include "sidecar/http2/hpack_table.h"

namespace outrider::http2 {

class HpackDecoder {
 public:
  // A whole block; clears `out` first. The views are valid until the next call with that block.
  // With a violation there is nothing to be read in it.
  Violation decode(std::string_view bytes, FieldBlock& out);
  bool is_lost() const { return is_lost_; }
  const DynamicTable& table() const { return table_; }

 private:
  struct Reader;
  Violation decode_fields(Reader& in, FieldBlock& out);
  void follow(Reader& in, FieldBlock& out);
  Violation decode_field(Reader& in, FieldBlock& out, Field& field);
  Violation decode_indexed(Reader& in, FieldBlock& out, Field& field);
  Violation decode_literal(Reader& in, FieldBlock& out, Field& field);
  bool skip_literal(Reader& in);
  Violation decode_name(Reader& in, std::uint64_t index, FieldBlock& out, std::string_view& name);
  bool change_size(Reader& in);
  bool find(std::uint64_t index, TableEntry& entry) const;

  DynamicTable table_;
  bool is_lost_ = false;
};

}  // namespace outrider::http2
