// SPDX-License-Identifier: Apache-2.0
#include "truth/prediction.h"

#include <algorithm>

#include "base/core/text.h"

namespace outrider::truth {
namespace {

constexpr std::size_t uuid_text_bytes = 36;

bool is_dash(std::size_t i) {
  return i == 8 || i == 13 || i == 18 || i == 23;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::int64_t Uuid::unix_ms() const {
  std::int64_t ms = 0;
  for (std::size_t i = 0; i < 6; ++i) ms = (ms << 8) | bytes[i];
  return ms;
}

Time Uuid::time() const {
  constexpr std::int64_t clock_end_ms = 9'200'000'000'000;
  return from_unix_ms(std::min(unix_ms(), clock_end_ms));
}

std::optional<Uuid> parse_uuid(std::string_view text) {
  const bool dashed = text.size() == uuid_text_bytes;
  if (!dashed && text.size() != 2 * sizeof(Uuid)) return std::nullopt;
  Uuid id;
  std::size_t nibble = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (dashed && is_dash(i)) {
      if (text[i] != '-') return std::nullopt;
      continue;
    }
    const int digit = hex_digit(text[i]);
    if (digit < 0) return std::nullopt;
    auto& byte = id.bytes[nibble / 2];
    byte = static_cast<std::uint8_t>((byte << 4) | digit);
    ++nibble;
  }
  return id;
}

std::optional<Uuid> parse_uuid7(std::string_view text) {
  if (text.size() != uuid_text_bytes || text[14] != '7') return std::nullopt;
  return parse_uuid(text);
}

std::string format_uuid(const Uuid& id) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(uuid_text_bytes);
  for (const std::uint8_t byte : id.bytes) {
    if (is_dash(text.size())) text += '-';
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

Uuid make_uuid7(Time time, std::uint64_t random_high, std::uint64_t random_low) {
  Uuid id;
  const auto ms = static_cast<std::uint64_t>(to_unix_ms(time));
  for (std::size_t i = 0; i < 6; ++i) id.bytes[i] = static_cast<std::uint8_t>(ms >> (40 - 8 * i));
  id.bytes[6] = static_cast<std::uint8_t>(0x70 | ((random_high >> 8) & 0x0F));
  id.bytes[7] = static_cast<std::uint8_t>(random_high);
  for (std::size_t i = 8; i < 16; ++i) {
    id.bytes[i] = static_cast<std::uint8_t>(random_low >> (8 * (15 - i)));
  }
  id.bytes[8] = static_cast<std::uint8_t>(0x80 | (id.bytes[8] & 0x3F));
  return id;
}

std::string format_key(const PredictionKey& key, std::uint32_t rows) {
  std::string text = format_uuid(key.id);
  if (rows > 1) text += '_' + std::to_string(key.row);
  return text;
}

std::string to_text(const Value& value) {
  if (const double* number = std::get_if<double>(&value)) return format_double(*number);
  return std::get<std::string>(value);
}

std::string_view to_string(LabelResult result) {
  static constexpr std::string_view words[label_result_count] = {
      "joined",    "early",   "late",    "unknown",    "ambiguous",
      "duplicate", "invalid", "evicted", "sampled_out"};
  return words[static_cast<std::size_t>(result)];
}

}  // namespace outrider::truth
