// SPDX-License-Identifier: Apache-2.0
#pragma once

// The fields of one head or of one block of trailers, decoded, in order. Scratch space: one a
// thread is enough. Their text lies in one arena that is as large as the limit, so that no field
// allocates. PURE.
//
//   FieldBlock block;                       // allocates once: 64 KiB and 100 fields
//   block.clear();
//   if (char* room = block.reserve(n)) …    // nullptr: past bytes_max
//   block.find("content-type");             // "": none
//
// Thread-safety: one thread.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace outrider::http2 {

struct Field {
  std::string_view name, value;
  bool is_secret = false;  // Never indexed (RFC 7541, 7.1.3).
};

// What a field costs, in a table and of a limit (RFC 7541, 4.1; RFC 9113, 6.5.2).
inline constexpr std::size_t field_overhead = 32;

class FieldBlock {
 public:
  static constexpr std::size_t fields_max = 100, bytes_max = 64 << 10;

  FieldBlock() : arena_(std::make_unique_for_overwrite<char[]>(bytes_max)) {}

  void clear() {
    count_ = 0;
    text_bytes_ = 0;
  }
  // Room for text at the arena's end; commit() takes it.
  char* reserve(std::size_t bytes) {
    return bytes <= bytes_max - text_bytes_ ? arena_.get() + text_bytes_ : nullptr;
  }
  std::string_view commit(std::size_t bytes) {
    const std::string_view text(arena_.get() + text_bytes_, bytes);
    text_bytes_ += bytes;
    return text;
  }
  bool is_full() const { return count_ == fields_max; }
  void add(const Field& field) { fields_[count_++] = field; }
  // The names and values, and what each field costs on top.
  std::size_t bytes() const { return text_bytes_ + count_ * field_overhead; }

  std::size_t count() const { return count_; }
  const Field* begin() const { return fields_.data(); }
  const Field* end() const { return fields_.data() + count_; }
  std::string_view find(std::string_view name) const {  // Of the first; O(fields).
    for (const Field& field : *this)
      if (field.name == name) return field.value;
    return {};
  }

 private:
  std::unique_ptr<char[]> arena_;
  std::size_t text_bytes_ = 0, count_ = 0;
  std::array<Field, fields_max> fields_;
};

}  // namespace outrider::http2
