// SPDX-License-Identifier: Apache-2.0
// Values of the prediction log's store, as a damaged disk may give them back. What decodes is
// written again the same.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "test/fuzz/require.h"
#include "truth/codec.h"
#include "truth/segments.h"

using namespace outrider::truth;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 21) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string_view key = bytes.substr(0, 20), value = bytes.substr(20);
  PredictionKey wanted;
  std::copy(key.begin(), key.begin() + 16, reinterpret_cast<char*>(wanted.id.bytes.data()));
  wanted.row = static_cast<std::uint8_t>(key[19]) % 4;
  std::uint32_t rows = 0;
  if (const auto row = find_row(value, wanted, rows)) {
    outrider::fuzz::require(wanted.row < rows && row->rows == rows,
                            "a row is one of its request's");
  }
  if (const auto row = decode_joined(key, value)) {
    const auto model = joined_model(value);
    outrider::fuzz::require(model && model->name == row->model_name, "both readings agree");
    const auto again = decode_joined(key, encode_joined(*row, model->rows));
    outrider::fuzz::require(again.has_value(), "what was read can be written and read");
  }
  if (const auto held = decode_held(value)) {
    outrider::fuzz::require(decode_held(encode_held(*held)).has_value(), "a held label too");
  }
  if (const auto named = decode_name_key(bytes.substr(0, 32 + (bytes[0] & 4)))) {
    Uuid hash;
    std::copy(bytes.begin(), bytes.begin() + 16, reinterpret_cast<char*>(hash.bytes.data()));
    outrider::fuzz::require(decode_name_key(name_key(hash, *named)) == named, "a name too");
  }
  if (const auto segment = decode_segment(value)) {
    outrider::fuzz::require(decode_segment(encode_segment(*segment)) == segment, "a segment too");
  }
  return 0;
}
