// SPDX-License-Identifier: Apache-2.0
#pragma once

// Names whose predictions are to be gone (POST /api/v1/erase), for those that come later: out of a
// sidecar's queue, or the other agent's. PURE; not thread-safe.
//
// A name stands for predictions that were made before it was erased. What is made under the same
// name afterwards, by a customer who came back, is kept. Each lookup is O(1), and nothing where no
// name is erased.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/core/clock.h"
#include "truth/append_buffer.h"
#include "truth/prediction.h"
#include "truth/scope.h"

namespace outrider::truth {

// A name as it is asked for: an id, an alias or a key, and perhaps one row of it.
struct EraseWish {
  std::string id;
  std::optional<std::uint32_t> row = {};
  Scope scope = {};  // Whose; another workload's prediction of that name stays.
  bool operator==(const EraseWish&) const = default;
};

// What went.
struct Erased {
  std::uint64_t predictions = 0;  // Rows that had no label.
  std::uint64_t joined = 0;       // Rows with their label.
  std::uint64_t held = 0;         // Labels that waited for their prediction.
  std::uint64_t names = 0;        // Aliases and keys, of those that were asked for.
  bool operator==(const Erased&) const = default;
};

class ErasedNames {
 public:
  static constexpr std::size_t names_max = 100'000;

  struct Entry {
    Uuid hash;  // The id itself, or the hash of an alias or a key.
    std::optional<std::uint32_t> row;
    Time erased{};
    Scope scope;
  };
  // False when there are names_max.
  bool add(Entry entry);
  // What of an arriving request is not to be written.
  struct Verdict {
    bool all = false;
    std::vector<std::uint32_t> rows;
  };
  Verdict judge(const AppendBuffer& buffer, const AppendEntry& entry) const;
  // The request without the rows that are not to be written; empty: all of it is to be left out,
  // nothing: none.
  std::optional<std::string> remaining(const AppendBuffer& buffer, const AppendEntry& entry) const;
  // Forgets those of before; gives them.
  std::vector<Entry> forget_before(Time erased);
  std::size_t size() const { return entries_.size(); }

 private:
  struct Hash {
    std::size_t operator()(const Uuid& id) const {
      std::size_t hash = 0;
      for (std::size_t i = 8; i < id.bytes.size(); ++i) hash = hash << 8 | id.bytes[i];
      return hash;
    }
  };
  std::unordered_multimap<Uuid, Entry, Hash> entries_;
};

std::string encode_erased(const ErasedNames::Entry& entry);
std::optional<ErasedNames::Entry> decode_erased(std::string_view bytes);

}  // namespace outrider::truth
