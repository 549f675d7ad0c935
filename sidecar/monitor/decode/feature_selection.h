// SPDX-License-Identifier: Apache-2.0
#pragma once

// From what a request has to what the rules name: the configured features, in the configured order
// and of the configured kind. Without feature rules everything passes as it is. Not thread-safe.

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "sidecar/monitor/decode/observation.h"
#include "sidecar/monitor/decode/rules.h"

namespace outrider::decode {

class FeatureSelection {
 public:
  explicit FeatureSelection(const std::vector<FeatureRule>& rules);

  bool empty() const { return rules_.empty(); }
  bool wants_query() const { return wants_query_; }
  // The pieces of a configured feature's pointer from the whole body; empty where it has none.
  std::span<const std::string> pointer(std::size_t place) const { return pointers_[place]; }
  FeatureValue as_configured(const FeatureValue& value, std::size_t place) {
    return as_kind(value, rules_[place].kind);
  }
  void clear() { kept_.clear(); }  // Before each exchange: frees the texts that had to be made.

  // The configured names.
  const FeatureNames* names() const { return &names_; }
  // One row as configured; `from` are the names of `row`. What the row lacks is missing.
  void select(const FeatureNames* from, std::span<const FeatureValue> row,
              std::vector<FeatureValue>& out);

 private:
  static constexpr std::size_t absent = static_cast<std::size_t>(-1);
  const std::vector<std::size_t>& places_in(const FeatureNames& from);
  FeatureValue as_kind(const FeatureValue& value, FeatureKind kind);

  std::vector<FeatureRule> rules_;
  std::vector<std::string> sources_;  // The flattened name under which each comes.
  std::vector<std::vector<std::string>> pointers_;
  bool wants_query_ = false;
  FeatureNames names_;
  std::unordered_map<std::uint64_t, std::vector<std::size_t>> places_;  // By serial; bounded.
  std::deque<std::string> kept_;
};

}  // namespace outrider::decode
