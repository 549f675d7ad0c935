// SPDX-License-Identifier: Apache-2.0
#pragma once

// Of truth_join*.cpp alone: one synced write, as it is gathered.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "truth/truth_consumer.h"
#include "truth/truth_join.h"

namespace outrider::truth {

inline constexpr std::size_t alias_bytes = 40;  // What a name takes, about.

// The consumer's state goes into the same write.
class BatchState final : public StateWriter {
 public:
  explicit BatchState(WriteBatch& batch) : batch_(batch) {}
  void put(std::string_view key, std::string_view bytes) override {
    batch_.put(Family::meta, state_key(key), bytes);
  }
  void erase(std::string_view key) override { batch_.erase(Family::meta, state_key(key)); }

 private:
  WriteBatch& batch_;
};

// What a group is going to write, and what its own earlier items have joined.
struct TruthJoin::Group {
  WriteBatch batch;
  std::unordered_map<PredictionKey, bool, KeyHash> joined;  // Whether it is counted here.
  std::map<std::string, bool> marks;                        // Likewise.
  std::uint64_t rows = 0;
  std::vector<LabelAnswer> answers;
  // Of the scope of the label at hand; those of a request have one.
  const Scope* sampled = nullptr;
  std::optional<SampleBounds> sample;
  std::unordered_set<std::string> gone;  // Keys of joined rows that are erased.

  // Whether no sidecar that the label may be of keeps predictions of its name.
  bool leaves_out(const JoinItem& item, const IdReading& reading, const TruthConsumer& consumer,
                  const JoinSettings& settings);
};

}  // namespace outrider::truth
