// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http2/hpack_encoder.h"

#include <algorithm>
#include <cstdint>

#include "sidecar/http2/huffman.h"

namespace outrider::http2 {
namespace {

constexpr std::size_t indexed_bytes_max = 512;  // An eighth of the table.

void put_integer(std::uint64_t value, int prefix_bits, unsigned first, std::string& out) {
  const std::uint64_t mask = (1u << prefix_bits) - 1;
  if (value < mask) {
    out += static_cast<char>(first | value);
    return;
  }
  out += static_cast<char>(first | mask);
  for (value -= mask; value >= 0x80; value >>= 7) out += static_cast<char>(0x80 | (value & 0x7f));
  out += static_cast<char>(value);
}

// Huffman's code is for what the table will say from then on: a text that differs each time costs
// more to code, here and at the peer, than its bytes do.
void put_string(std::string_view text, bool is_indexed, std::string& out) {
  const std::size_t coded = is_indexed ? huffman_encoded_size(text) : text.size();
  if (coded < text.size()) {
    put_integer(coded, 7, 0x80, out);
    huffman_encode(text, out);
  } else {
    put_integer(text.size(), 7, 0, out);
    out += text;
  }
}

// The first static entry of a name, by its length and a hash: 0 where there is none.
class StaticNames {
 public:
  StaticNames() {
    for (std::size_t i = static_count; i > 0; --i) {
      std::size_t at = slot_of(static_table[i - 1].name);
      while (slots_[at] != 0 && static_table[slots_[at] - 1u].name != static_table[i - 1].name)
        at = (at + 1) % slots_.size();
      slots_[at] = static_cast<std::uint8_t>(i);
    }
  }
  std::size_t find(std::string_view name) const {
    for (std::size_t at = slot_of(name); slots_[at] != 0; at = (at + 1) % slots_.size())
      if (static_table[slots_[at] - 1u].name == name) return slots_[at];
    return 0;
  }

 private:
  static std::size_t slot_of(std::string_view name) {
    if (name.empty()) return 0;
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(name[i]); };
    return (name.size() * 7 + byte(0) * 31u + byte(name.size() - 1) * 13u +
            byte(name.size() / 2) * 5u) %
           256;
  }
  std::array<std::uint8_t, 256> slots_{};
};

const StaticNames& static_names() {
  static const StaticNames names;
  return names;
}

bool is_credential(std::string_view name) {
  return name == "authorization" || name == "cookie" || name == "set-cookie" ||
         name == "proxy-authorization";
}

bool differs_each_time(std::string_view name) {
  static constexpr std::string_view names[] = {"age",           "ce-id",
                                               "ce-time",       "content-length",
                                               "date",          "etag",
                                               "expires",       "forwarded",
                                               "grpc-message",  "grpc-status-details-bin",
                                               "grpc-timeout",  "if-modified-since",
                                               "if-none-match", "last-modified",
                                               "location",      "traceparent",
                                               "tracestate",    "x-prediction-id",
                                               "x-request-id"};
  return std::binary_search(std::begin(names), std::end(names), name);
}

}  // namespace

void HpackEncoder::set_peer_limit(std::size_t limit) {
  limit = std::min(limit, DynamicTable::size_max);
  if (limit == table_.limit() && !limit_changed_) return;
  limit_changed_ = true;
  lowest_limit_ = std::min(lowest_limit_, limit);
  table_.set_limit(limit);
}

// The smallest size of several changes is said too, since the peer has to evict by it (4.2).
void HpackEncoder::begin(std::string& out) {
  if (!limit_changed_) return;
  if (lowest_limit_ < table_.limit()) put_integer(lowest_limit_, 5, 0x20, out);
  put_integer(table_.limit(), 5, 0x20, out);
  limit_changed_ = false;
  lowest_limit_ = table_.limit();
}

std::size_t HpackEncoder::find_in_table(std::uint32_t hash, const Field& field) const {
  for (std::size_t i = 0; i < table_.count(); ++i) {
    if (table_.hash_at(i) != hash) continue;
    const TableEntry entry = table_.at(i);
    if (entry.name == field.name && entry.value == field.value) return static_count + 1 + i;
  }
  return 0;
}

std::size_t HpackEncoder::name_index(std::string_view name) const {
  for (std::size_t i = 0; i < table_.count(); ++i)
    if (table_.at(i).name == name) return static_count + 1 + i;
  return 0;
}

void HpackEncoder::add(const Field& field, std::string& out) {
  const std::size_t static_name = static_names().find(field.name);
  const bool is_secret = field.is_secret || is_credential(field.name);
  if (!is_secret) {
    for (std::size_t i = static_name; i != 0 && i <= static_count; ++i) {
      const TableEntry& entry = static_table[i - 1];
      if (entry.name != field.name) break;
      if (entry.value == field.value) return put_integer(i, 7, 0x80, out);
    }
  }
  const bool may_be_indexed = !is_secret &&
                              field.name.size() + field.value.size() <= indexed_bytes_max &&
                              table_.limit() > indexed_bytes_max;
  std::uint32_t hash = 0;
  if (may_be_indexed) {
    hash = hash_of(field.name, field.value);
    if (const std::size_t i = find_in_table(hash, field); i != 0)
      return put_integer(i, 7, 0x80, out);
  }
  const bool is_indexed = may_be_indexed && !differs_each_time(field.name);
  const std::size_t name = static_name != 0 ? static_name : name_index(field.name);
  is_indexed ? put_integer(name, 6, 0x40, out) : put_integer(name, 4, is_secret ? 0x10 : 0, out);
  if (name == 0) put_string(field.name, is_indexed, out);
  put_string(field.value, is_indexed, out);
  if (is_indexed) table_.insert(field.name, field.value, hash);
}

}  // namespace outrider::http2
