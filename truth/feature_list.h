// SPDX-License-Identifier: Apache-2.0
#pragma once

// The features that joined rows may have, in the order in which they were first seen; 10 000 at
// most. PURE; not thread-safe: the owner's.

#include <cstdint>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "truth/kept_log.h"
#include "truth/write_batch.h"

namespace outrider::truth {

class FeatureList {
 public:
  static constexpr std::size_t names_max = 10'000;

  explicit FeatureList(std::vector<std::string> names)
      : names_(std::move(names)), known_(names_.begin(), names_.end()) {}

  // New ones go into the batch of the same write.
  void add(const std::vector<Feature>& features, WriteBatch& batch) {
    for (const Feature& feature : features) {
      if (known_.size() >= names_max || known_.contains(feature.name)) continue;
      batch.put(Family::meta, feature_key(static_cast<std::uint32_t>(names_.size())), feature.name);
      known_.insert(feature.name);
      names_.push_back(feature.name);
    }
  }
  const std::vector<std::string>& names() const { return names_; }

 private:
  std::vector<std::string> names_;
  std::unordered_set<std::string> known_;
};

}  // namespace outrider::truth
