// SPDX-License-Identifier: Apache-2.0
#pragma once

// Predictions on their way from append() to the owner, encoded already. PURE; whoever shares one
// locks. Bounded by bytes: what does not fit is refused.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "truth/codec.h"
#include "truth/prediction.h"
#include "truth/scope.h"

namespace outrider::truth {

// 128 bits that stand for an alias: itself, where it is a UUID, as request ids mostly are (a
// twentieth of the cost); else its name-based UUID (version 5, SHA-1). An alias chosen to collide
// with another makes that ambiguous, which sending the same alias does as well.
Uuid alias_hash(std::string_view alias);

// Likewise for a key. It is another one for the same text: how often a client repeats an alias is
// nothing to a key.
Uuid key_hash(std::string_view key);

// A name of a prediction: an alias of its request, or a key of the request or one row.
struct AppendName {
  Uuid hash;
  std::optional<std::uint32_t> key_row;  // Of a key: its row, or whole_request. Nothing: an alias.
};

struct AppendEntry {
  Uuid id;
  std::uint32_t rows = 0;
  std::size_t begin = 0, bytes = 0;            // Of the group, in AppendBuffer::bytes.
  std::size_t first_name = 0, name_count = 0;  // In AppendBuffer::names.
  std::string scope;  // scope_mark() of its model: what stands beside its names.
};

struct AppendBuffer {
  std::string bytes;
  std::vector<AppendEntry> entries;
  std::vector<AppendName> names;
  std::uint64_t rows = 0;

  std::size_t footprint() const {
    return bytes.size() + entries.size() * sizeof(AppendEntry) + names.size() * sizeof(AppendName);
  }
  std::string_view group(const AppendEntry& entry) const {
    return std::string_view(bytes).substr(entry.begin, entry.bytes);
  }

  void add(const Uuid& id, std::uint32_t row_count, std::string_view group,
           const std::vector<AppendName>& its_names, std::string scope = {}) {
    entries.push_back({.id = id,
                       .rows = row_count,
                       .begin = bytes.size(),
                       .bytes = group.size(),
                       .first_name = names.size(),
                       .name_count = its_names.size(),
                       .scope = std::move(scope)});
    bytes += group;
    names.insert(names.end(), its_names.begin(), its_names.end());
    rows += row_count;
  }

  // A copy of an entry of another buffer.
  void add_from(const AppendBuffer& other, const AppendEntry& entry) {
    const auto first = other.names.begin() + static_cast<std::ptrdiff_t>(entry.first_name);
    add(entry.id, entry.rows, other.group(entry),
        {first, first + static_cast<std::ptrdiff_t>(entry.name_count)}, entry.scope);
  }

  // Empty again, with its memory kept for the next round.
  void clear() {
    bytes.clear();
    entries.clear();
    names.clear();
    rows = 0;
  }
};

// The bytes of one request and its names, as they go into a buffer; both are cleared first. At most
// 8 aliases are taken.
void encode_prediction(const Uuid& id, const PredictionView& prediction, bool keep_features,
                       std::string& group, std::vector<AppendName>& names);

// Of one request; longer ones are dropped.
inline constexpr std::size_t group_bytes_max = 1 << 20;

}  // namespace outrider::truth
