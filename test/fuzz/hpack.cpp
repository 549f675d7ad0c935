// SPDX-License-Identifier: Apache-2.0
// Blocks of HPACK, one after the other with one table: each is the length byte's many bytes. What
// is decoded is within its limits, and comes back the same from our encoder and the decoder again.
#include <cstdint>
#include <string>
#include <string_view>

#include "sidecar/http2/hpack_decoder.h"
#include "sidecar/http2/hpack_encoder.h"
#include "test/fuzz/require.h"

namespace {

using namespace outrider::http2;
using outrider::fuzz::require;

std::string text_of(const FieldBlock& block) {
  std::string text;
  for (const Field& field : block)
    text.append(field.name).append("\n").append(field.value).append("\n");
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view left(reinterpret_cast<const char*>(data), size);
  HpackDecoder decoder, again;
  HpackEncoder encoder;
  FieldBlock block, same;
  while (!left.empty()) {
    const std::size_t n =
        std::min<std::size_t>(static_cast<unsigned char>(left[0]), left.size() - 1);
    const std::string_view bytes = left.substr(1, n);
    left.remove_prefix(1 + n);
    const Violation violation = decoder.decode(bytes, block);
    require(block.count() <= FieldBlock::fields_max, "fields are limited");
    require(decoder.table().size() <= decoder.table().limit(), "the table is limited");
    require(!decoder.is_lost() || violation != Violation::none, "a lost table is told");
    if (violation != Violation::none) {
      require(violation != Violation::bad_compression || decoder.is_lost(), "and so is its reason");
      return 0;
    }
    require(block.bytes() <= FieldBlock::bytes_max, "blocks are limited");
    std::string out;
    encoder.begin(out);
    for (const Field& field : block) encoder.add(field, out);
    require(again.decode(out, same) == Violation::none, "what we write can be read");
    require(text_of(block) == text_of(same), "and is the same");
    require(again.table().size() == encoder.table().size(), "tables are in step");
  }
  return 0;
}
