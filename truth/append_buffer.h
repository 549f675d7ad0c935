// SPDX-License-Identifier: Apache-2.0
#pragma once

// Predictions on their way from append() to the owner, encoded already. PURE; whoever shares one
// locks. Bounded by bytes: what does not fit is refused.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "truth/codec.h"
#include "truth/prediction.h"

namespace outrider::truth {

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
           const std::vector<AppendName>& its_names) {
    entries.push_back({.id = id,
                       .rows = row_count,
                       .begin = bytes.size(),
                       .bytes = group.size(),
                       .first_name = names.size(),
                       .name_count = its_names.size()});
    bytes += group;
    names.insert(names.end(), its_names.begin(), its_names.end());
    rows += row_count;
  }

  // Empty again, with its memory kept for the next round.
  void clear() {
    bytes.clear();
    entries.clear();
    names.clear();
    rows = 0;
  }
};

}  // namespace outrider::truth
