// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http2/hpack_decoder.h"

#include <cstring>

#include "sidecar/http2/huffman.h"

namespace outrider::http2 {
namespace {

constexpr int size_changes_max = 2;  // Before the first field (RFC 7541, 4.2).
// Of a block past its limits, what is decoded behind them at most.
constexpr std::size_t followed_bytes_max = 1 << 20;

Violation copy(std::string_view text, FieldBlock& out, std::string_view& copied) {
  char* room = out.reserve(text.size());
  if (room == nullptr) return Violation::head_too_large;
  if (!text.empty()) std::memcpy(room, text.data(), text.size());
  copied = out.commit(text.size());
  return Violation::none;
}

Violation add(const Field& field, FieldBlock& out) {
  if (out.is_full()) return Violation::too_many_fields;
  out.add(field);
  return out.bytes() > FieldBlock::bytes_max ? Violation::head_too_large : Violation::none;
}

}  // namespace

struct HpackDecoder::Reader {
  std::string_view left;

  bool empty() const { return left.empty(); }
  unsigned char peek() const { return static_cast<unsigned char>(left.front()); }

  // An integer with a prefix of that many bits (RFC 7541, 5.1). False: cut off, or past 2^28, which
  // nothing here can be.
  bool integer(int prefix_bits, std::uint64_t& value) {
    if (left.empty()) return false;
    const std::uint64_t mask = (1u << prefix_bits) - 1;
    value = peek() & mask;
    left.remove_prefix(1);
    if (value < mask) return true;
    for (int shift = 0; shift <= 21; shift += 7) {
      if (left.empty()) return false;
      const std::uint64_t byte = peek();
      left.remove_prefix(1);
      value += (byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return true;
    }
    return false;
  }

  bool skip_string() {
    std::uint64_t size = 0;
    if (!integer(7, size) || size > left.size()) return false;
    left.remove_prefix(size);
    return true;
  }

  Violation string(FieldBlock& out, std::string_view& text) {
    if (left.empty()) return Violation::bad_compression;
    const bool is_huffman = (peek() & 0x80) != 0;
    std::uint64_t size = 0;
    if (!integer(7, size) || size > left.size()) return Violation::bad_compression;
    const std::string_view bytes = left.substr(0, size);
    left.remove_prefix(size);
    if (!is_huffman) return copy(bytes, out, text);
    char* room = out.reserve(huffman_decoded_max(bytes.size()));
    if (room == nullptr) return Violation::head_too_large;
    const std::ptrdiff_t decoded = huffman_decode(bytes, room);
    if (decoded < 0) return Violation::bad_compression;
    text = out.commit(static_cast<std::size_t>(decoded));
    return Violation::none;
  }
};

Violation HpackDecoder::decode(std::string_view bytes, FieldBlock& out) {
  out.clear();
  Reader in{bytes};
  for (int changes = 0; !in.empty() && (in.peek() & 0xe0) == 0x20; ++changes) {
    if (changes == size_changes_max || !change_size(in)) {
      is_lost_ = true;
      return Violation::bad_compression;
    }
  }
  const Violation violation = decode_fields(in, out);
  if (violation == Violation::bad_compression) is_lost_ = true;
  if (violation == Violation::too_many_fields || violation == Violation::head_too_large)
    follow(in, out);
  return violation;
}

// At a violation, `in` stands at the first field that the table does not have yet.
Violation HpackDecoder::decode_fields(Reader& in, FieldBlock& out) {
  while (!in.empty()) {
    const Reader before = in;
    Field field;
    if (const Violation v = decode_field(in, out, field); v != Violation::none) {
      in = before;
      return v;
    }
    if (const Violation v = add(field, out); v != Violation::none) return v;
  }
  return Violation::none;
}

// Reads on for the table's sake, a field at a time.
void HpackDecoder::follow(Reader& in, FieldBlock& out) {
  std::size_t followed = 0;
  while (!in.empty() && !is_lost_) {
    const Reader before = in;
    Field field;
    out.clear();
    const Violation v = decode_field(in, out, field);
    if (v == Violation::head_too_large) in = before;
    is_lost_ = v == Violation::bad_compression ||
               (v == Violation::head_too_large && !skip_literal(in)) ||
               (followed += out.bytes()) > followed_bytes_max;
  }
  out.clear();
}

// A literal whose text is larger than the arena, and so than any table: it empties the table.
bool HpackDecoder::skip_literal(Reader& in) {
  const bool is_indexed = (in.peek() & 0xc0) == 0x40;
  std::uint64_t index = 0;
  if (!in.integer(is_indexed ? 6 : 4, index)) return false;
  if ((index == 0 && !in.skip_string()) || !in.skip_string()) return false;
  if (is_indexed) {
    const std::size_t limit = table_.limit();
    table_.set_limit(0);
    table_.set_limit(limit);
  }
  return true;
}

Violation HpackDecoder::decode_field(Reader& in, FieldBlock& out, Field& field) {
  return (in.peek() & 0x80) != 0 ? decode_indexed(in, out, field) : decode_literal(in, out, field);
}

bool HpackDecoder::find(std::uint64_t index, TableEntry& entry) const {
  if (index == 0 || index > static_count + table_.count()) return false;
  entry = index <= static_count ? static_table[index - 1] : table_.at(index - 1 - static_count);
  return true;
}

bool HpackDecoder::change_size(Reader& in) {
  std::uint64_t size = 0;
  if (!in.integer(5, size) || size > DynamicTable::size_max) return false;
  table_.set_limit(size);
  return true;
}

Violation HpackDecoder::decode_indexed(Reader& in, FieldBlock& out, Field& field) {
  std::uint64_t index = 0;
  TableEntry entry;
  if (!in.integer(7, index) || !find(index, entry)) return Violation::bad_compression;
  field = {entry.name, entry.value};
  if (index > static_count) {  // Its text may move with the next entry.
    if (const Violation v = copy(entry.name, out, field.name); v != Violation::none) return v;
    if (const Violation v = copy(entry.value, out, field.value); v != Violation::none) return v;
  }
  return Violation::none;
}

Violation HpackDecoder::decode_name(Reader& in, std::uint64_t index, FieldBlock& out,
                                    std::string_view& name) {
  if (index == 0) return in.string(out, name);
  TableEntry entry;
  if (!find(index, entry)) return Violation::bad_compression;
  name = entry.name;
  return index > static_count ? copy(entry.name, out, name) : Violation::none;
}

// The table has it once its texts are read, and not before.
Violation HpackDecoder::decode_literal(Reader& in, FieldBlock& out, Field& field) {
  const unsigned char first = in.peek();
  const bool is_indexed = (first & 0xc0) == 0x40;
  if (!is_indexed && (first & 0xe0) == 0x20) return Violation::bad_compression;  // Too late.
  std::uint64_t index = 0;
  if (!in.integer(is_indexed ? 6 : 4, index)) return Violation::bad_compression;
  field.is_secret = !is_indexed && (first & 0x10) != 0;
  if (const Violation v = decode_name(in, index, out, field.name); v != Violation::none) return v;
  if (const Violation v = in.string(out, field.value); v != Violation::none) return v;
  if (is_indexed) table_.insert(field.name, field.value);
  return Violation::none;
}

}  // namespace outrider::http2
