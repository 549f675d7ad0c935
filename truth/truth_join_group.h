// SPDX-License-Identifier: Apache-2.0
#pragma once

// Of truth_join*.cpp alone: one synced write, as it is gathered.

#include <rocksdb/write_batch.h>

#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "truth/truth_consumer.h"
#include "truth/truth_join.h"

namespace outrider::truth {

inline constexpr std::size_t alias_bytes = 40;  // What a name takes, about.

// The consumer's state goes into the same write.
class BatchState final : public StateWriter {
 public:
  BatchState(rocksdb::WriteBatch& batch, rocksdb::ColumnFamilyHandle* meta)
      : batch_(batch), meta_(meta) {}
  void put(std::string_view key, std::string_view bytes) override {
    batch_.Put(meta_, name(key), rocksdb::Slice(bytes.data(), bytes.size()));
  }
  void erase(std::string_view key) override { batch_.Delete(meta_, name(key)); }

 private:
  static std::string name(std::string_view key) {
    return std::string(meta_state_prefix) + std::string(key);
  }
  rocksdb::WriteBatch& batch_;
  rocksdb::ColumnFamilyHandle* meta_;
};

// What a group is going to write, and what its own earlier items have joined.
struct TruthJoin::Group {
  rocksdb::WriteBatch batch;
  std::unordered_set<PredictionKey, KeyHash> joined;
  std::set<std::string> marks;
  std::uint64_t rows = 0;
  std::vector<LabelAnswer> answers;
};

}  // namespace outrider::truth
