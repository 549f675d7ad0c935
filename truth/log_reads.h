// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the log knows of ids and names: the entries of a store (log_store.h), understood. What lies
// below the watermark, a slot, is gone, whether or not its bytes are. PURE; not thread-safe.
//
// Errors of all calls: "log_unavailable", and "log_corrupt" where an entry does not decode.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "truth/codec.h"
#include "truth/log_store.h"
#include "truth/scope.h"

namespace outrider::truth {

// What a key has in the log.
struct LookedUp {
  std::optional<StoredPrediction> prediction;
  std::uint32_t rows = 0;   // Of its request; 0: no such request.
  bool joined = false;      // It has its label already,
  std::string joined_name;  // of this model,
  std::string joined_version;
  // The row, where another agent of a pair counts it: to count it here after all.
  std::optional<JoinedRow> uncounted;
};

class LogReads {
 public:
  // The store must outlive it.
  LogReads(const LogStore& store, std::uint64_t watermark) : store_(store), watermark_(watermark) {}

  std::uint64_t watermark() const { return watermark_; }
  void raise_watermark(std::uint64_t slot) { watermark_ = slot; }

  // Looks up many keys at once; the answers are in the keys' order.
  Result<std::vector<LookedUp>> look_up(std::span<const PredictionKey> keys) const;
  // For each hash, the two oldest predictions that go by it and are not below the watermark; of the
  // scope where there is one (null: any). Of a name of many workloads the oldest 64 are looked at.
  Result<std::vector<std::vector<NamedPrediction>>> find_named(
      std::span<const Uuid> hashes, std::span<const Scope* const> scopes) const;
  // The mark of a self-contained label (its key in `marks`), where it has one.
  Result<std::optional<LabelMark>> find_mark(std::string_view key) const;

  // For erasing. The packed predictions of a slot ("" where there are none); the keys of a
  // request's joined rows, or of one row's, and their models; all that goes by a name.
  Result<std::string> slot_value(std::uint64_t slot) const;
  Result<std::vector<std::pair<std::string, std::string>>> joined_of(
      const Uuid& id, std::optional<std::uint32_t> row) const;
  Result<std::vector<NamedPrediction>> all_named(const Uuid& hash, const Scope& scope) const;

 private:
  using Order = std::vector<std::size_t>;  // Indexes of keys, sorted by key.
  Result<void> look_up_joined(std::span<const PredictionKey> keys, const Order& order,
                              std::vector<LookedUp>& found) const;
  Result<void> look_up_predictions(std::span<const PredictionKey> keys, const Order& order,
                                   std::vector<LookedUp>& found) const;

  const LogStore& store_;
  std::uint64_t watermark_;
};

}  // namespace outrider::truth
