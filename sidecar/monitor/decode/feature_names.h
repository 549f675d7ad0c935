// SPDX-License-Identifier: Apache-2.0
#pragma once

// The table of distinct lists of feature names, so that a request whose names were seen before
// costs no allocation and readers can cache by serial. PURE, not thread-safe.

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sidecar/monitor/decode/observation.h"

namespace outrider::decode {

// A serial that no other list of names has, in any table of this process: readers outlive decoders
// (a reload makes new ones) and see the lists of several.
std::uint64_t next_names_serial();

class FeatureNamesTable {
 public:
  explicit FeatureNamesTable(std::size_t lists_max = 256) : lists_max_(lists_max) {}

  // The one object for this list. Valid until `lists_max` other lists came after it: a full table
  // starts anew (traffic that never repeats its names must not grow it), as one of 16 MiB does, and
  // only the list that is returned is sure to live until the next call.
  const FeatureNames* intern(std::span<const std::string_view> names, bool positional);

  std::uint64_t restarts() const { return restarts_; }  // How often the table was full.

 private:
  std::size_t lists_max_;
  std::uint64_t restarts_ = 0;
  std::size_t bytes_ = 0;  // Of the names of all lists.
  std::unordered_multimap<std::uint64_t, std::unique_ptr<FeatureNames>> lists_;
};

}  // namespace outrider::decode
