// SPDX-License-Identifier: Apache-2.0
// Values of the prediction log's store, as a damaged disk may give them back. What decodes is
// written again the same.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "test/fuzz/require.h"
#include "truth/codec.h"
#include "truth/erased_names.h"
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
  std::uint64_t found = 0;
  const bool whole = for_each_row(value, slot_of(wanted.id), [&](StoredPrediction&& row) {
    outrider::fuzz::require(row.key.row < row.rows, "a row of a scan is one of its request's");
    ++found;
  });
  const auto any = [](std::string_view) { return true; };
  const TakenOut taken = take_out(value, wanted.id, std::nullopt, any);
  outrider::fuzz::require(!whole || taken.rows <= found, "no more is taken out than is there");
  outrider::fuzz::require(!find_row(taken.value, wanted, rows), "what is taken out is gone");
  const TakenOut one = take_out(value, wanted.id, wanted.row, any);
  if (whole) {
    outrider::fuzz::require(!find_row(one.value, wanted, rows), "and so is a row");
    outrider::fuzz::require(for_each_row(one.value, slot_of(wanted.id), [](auto&&) {}),
                            "what is left can be read");
  }
  if (const auto erased = decode_erased(value)) {
    outrider::fuzz::require(decode_erased(encode_erased(*erased)).has_value(), "a mark too");
  }
  if (const auto segment = decode_segment(value)) {
    outrider::fuzz::require(decode_segment(encode_segment(*segment)) == segment, "a segment too");
  }
  return 0;
}
