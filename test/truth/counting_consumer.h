// SPDX-License-Identifier: Apache-2.0
#pragma once

// A consumer that keeps count the way a detector would.

#include <cstdint>
#include <mutex>
#include <string>
#include <variant>
#include <vector>

#include "truth/truth_consumer.h"

namespace outrider::truth::test {

// Its state is how many rows it has seen and the sum of their truths, in one blob.
class CountingConsumer final : public TruthConsumer {
 public:
  void restore(std::span<const StateBlob> blobs) override {
    const std::lock_guard lock(mutex_);
    ++restores_;
    rows_ = 0;
    sum_ = 0;
    pending_.clear();
    for (const StateBlob& blob : blobs) {
      if (blob.key != "count") continue;
      const std::size_t blank = blob.bytes.find(' ');
      rows_ = std::stoull(blob.bytes.substr(0, blank));
      sum_ = std::stod(blob.bytes.substr(blank));
    }
  }
  void on_joined(const JoinedRow& row) override {
    const std::lock_guard lock(mutex_);
    ++rows_;
    if (const double* truth = std::get_if<double>(&row.truth)) sum_ += *truth;
    pending_.push_back(row);
  }
  void changed_state(StateWriter& out) override {
    const std::lock_guard lock(mutex_);
    out.put("count", std::to_string(rows_) + " " + std::to_string(sum_));
  }
  void committed() override {
    const std::lock_guard lock(mutex_);
    seen_.insert(seen_.end(), pending_.begin(), pending_.end());
    pending_.clear();
  }

  std::uint64_t rows() const {
    const std::lock_guard lock(mutex_);
    return rows_;
  }
  double sum() const {
    const std::lock_guard lock(mutex_);
    return sum_;
  }
  int restores() const {
    const std::lock_guard lock(mutex_);
    return restores_;
  }
  std::vector<JoinedRow> seen() const {  // Committed in this process.
    const std::lock_guard lock(mutex_);
    return seen_;
  }

 private:
  mutable std::mutex mutex_;
  int restores_ = 0;
  std::uint64_t rows_ = 0;
  double sum_ = 0;
  std::vector<JoinedRow> pending_, seen_;
};

}  // namespace outrider::truth::test
