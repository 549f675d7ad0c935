// SPDX-License-Identifier: Apache-2.0
#pragma once

// The two tables of HPACK (RFC 7541, section 2.3): the static one, and a DynamicTable, of which
// each direction of a connection has one at both of its ends. PURE.
//
//   DynamicTable table;                     // 4096 bytes at most, allocates with its first entry
//   table.insert(":path", "/v1", hash);     // evicts the oldest as needed
//   table.at(0);                            // the newest
//
// Memory: grows with what is in it, at most 20 KiB.
// Thread-safety: one thread. insert: amortised O(bytes); at: O(1).

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace outrider::http2 {

struct TableEntry {
  std::string_view name, value;
};

inline constexpr std::size_t static_count = 61;
extern const std::array<TableEntry, static_count> static_table;  // [0] has the index 1.

// Of name and value; the encoder looks entries up by it, and compares them.
std::uint32_t hash_of(std::string_view name, std::string_view value);

class DynamicTable {
 public:
  static constexpr std::size_t size_max = 4096;

  std::size_t count() const { return entries_.size() - first_; }
  std::size_t size() const { return size_; }  // As RFC 7541, 4.1 counts.
  std::size_t limit() const { return limit_; }
  void set_limit(std::size_t limit);  // At most size_max.
  // Views are valid until the next insert(). i < count().
  TableEntry at(std::size_t i) const { return view(entries_[entries_.size() - 1 - i]); }
  std::uint32_t hash_at(std::size_t i) const { return entries_[entries_.size() - 1 - i].hash; }
  // An entry larger than the limit empties the table, which is no error. The texts are not the
  // table's own.
  void insert(std::string_view name, std::string_view value, std::uint32_t hash = 0);

 private:
  struct Entry {
    std::uint32_t at, hash;
    std::uint16_t name_bytes, value_bytes;
  };
  TableEntry view(const Entry& e) const {
    return {{text_.data() + e.at, e.name_bytes},
            {text_.data() + e.at + e.name_bytes, e.value_bytes}};
  }
  void evict_to(std::size_t size);
  void compact();

  std::vector<Entry> entries_;  // Oldest first; those before first_ are gone.
  std::vector<char> text_;      // Of all in entries_.
  std::size_t first_ = 0, size_ = 0, limit_ = size_max;
};

}  // namespace outrider::http2
