// SPDX-License-Identifier: Apache-2.0
#pragma once

// Changes of the log that become durable together or not at all. PURE: bytes, whatever store takes
// them (log_store.h). As LevelDB's WriteBatch.
//
//   WriteBatch batch;
//   batch.put(Family::meta, key, value);
//   batch.erase(Family::early, held_key(7));
//   store.write(batch, true);
//
// Not thread-safe. Each call is O(bytes), amortised.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace outrider::truth {

// The log's families of keys; what each holds stands in log/prediction_log.h.
enum class Family : std::uint8_t { meta, predictions, aliases, joined, marks, early };
inline constexpr std::size_t family_count = 6;

class WriteBatch {
 public:
  enum class Kind : std::uint8_t {
    put,     // The key's value from now on.
    append,  // Behind the value that the key has; where it has none, as put.
    erase,   // The key, which need not be there.
  };
  struct Change {
    Kind kind = Kind::put;
    Family family = Family::meta;
    std::string_view key, value;  // Views into the batch; of an erase no value.
  };

  void put(Family family, std::string_view key, std::string_view value) {
    add(Kind::put, family, key, std::span(&value, 1));
  }
  // The pieces one behind the other.
  void append(Family family, std::string_view key, std::span<const std::string_view> pieces) {
    add(Kind::append, family, key, pieces);
  }
  void erase(Family family, std::string_view key) { add(Kind::erase, family, key, {}); }

  // In the order in which they came: a later change of a key stands.
  std::size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  Change operator[](std::size_t index) const {
    const Entry& entry = entries_[index];
    const std::string_view bytes = std::string_view(bytes_).substr(entry.begin);
    return {.kind = entry.kind,
            .family = entry.family,
            .key = bytes.substr(0, entry.key_bytes),
            .value = bytes.substr(entry.key_bytes, entry.value_bytes)};
  }

 private:
  struct Entry {
    std::size_t begin = 0, key_bytes = 0, value_bytes = 0;  // In bytes_; the value behind the key.
    Kind kind = Kind::put;
    Family family = Family::meta;
  };

  void add(Kind kind, Family family, std::string_view key,
           std::span<const std::string_view> pieces) {
    Entry entry{.begin = bytes_.size(),
                .key_bytes = key.size(),
                .value_bytes = 0,
                .kind = kind,
                .family = family};
    bytes_ += key;
    for (const std::string_view piece : pieces) {
      bytes_ += piece;
      entry.value_bytes += piece.size();
    }
    entries_.push_back(entry);
  }

  std::string bytes_;
  std::vector<Entry> entries_;
};

}  // namespace outrider::truth
