// SPDX-License-Identifier: Apache-2.0
#pragma once

// Decodes HPACK (RFC 7541): one a direction of a connection, since its table remembers. PURE.
//
//   HpackDecoder decoder;
//   FieldBlock block;                                    // of the thread
//   if (decoder.decode(bytes, block) != Violation::none) end_connection();
//
// A violation ends the connection, because the table is out of step then: bad_compression,
// too_many_fields, head_too_large. Complexity: linear in what comes out, which is bounded by
// FieldBlock; a field allocates nothing. Thread-safety: one thread.

#include <string_view>

#include "sidecar/http2/error.h"
#include "sidecar/http2/field.h"
#include "sidecar/http2/hpack_table.h"

namespace outrider::http2 {

class HpackDecoder {
 public:
  // A whole block; clears `out` first. The views are valid until the next call with that block.
  Violation decode(std::string_view bytes, FieldBlock& out);
  const DynamicTable& table() const { return table_; }

 private:
  struct Reader;
  Violation decode_indexed(Reader& in, FieldBlock& out);
  Violation decode_literal(Reader& in, FieldBlock& out);
  Violation decode_name(Reader& in, std::uint64_t index, FieldBlock& out, std::string_view& name);
  bool change_size(Reader& in);
  bool find(std::uint64_t index, TableEntry& entry) const;

  DynamicTable table_;
};

}  // namespace outrider::http2
