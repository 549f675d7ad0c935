// SPDX-License-Identifier: Apache-2.0
#pragma once

// Predictions on their way from append() to the owner, encoded already. PURE; whoever shares one
// locks. Bounded by bytes: what does not fit is refused.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/labels/codec.h"
#include "sidecar/labels/prediction.h"

namespace outrider::labels {

struct AppendEntry {
  Uuid id;
  std::uint32_t rows = 0;
  std::size_t begin = 0, bytes = 0;              // Of the group, in AppendBuffer::bytes.
  std::size_t first_alias = 0, alias_count = 0;  // In AppendBuffer::aliases.
};

struct AppendBuffer {
  std::string bytes;
  std::vector<AppendEntry> entries;
  std::vector<Uuid> aliases;  // Hashed.
  std::uint64_t rows = 0;

  std::size_t footprint() const {
    return bytes.size() + entries.size() * sizeof(AppendEntry) + aliases.size() * sizeof(Uuid);
  }
  std::string_view group(const AppendEntry& entry) const {
    return std::string_view(bytes).substr(entry.begin, entry.bytes);
  }

  void add(const Uuid& id, std::uint32_t row_count, std::string_view group,
           const std::vector<Uuid>& hashed) {
    entries.push_back({.id = id,
                       .rows = row_count,
                       .begin = bytes.size(),
                       .bytes = group.size(),
                       .first_alias = aliases.size(),
                       .alias_count = hashed.size()});
    bytes += group;
    aliases.insert(aliases.end(), hashed.begin(), hashed.end());
    rows += row_count;
  }

  // Empty again, with its memory kept for the next round.
  void clear() {
    bytes.clear();
    entries.clear();
    aliases.clear();
    rows = 0;
  }
};

}  // namespace outrider::labels
