// SPDX-License-Identifier: Apache-2.0
#pragma once

// The prediction log's figures, as its owner publishes them and Prometheus reads them:
// outrider_log_* and, where predictions are shipped, outrider_truth_*. Thread-safe. Of
// prediction_log.cpp alone.

#include <array>
#include <atomic>
#include <cstdint>

#include "base/core/mutex.h"
#include "base/wire/exposition.h"
#include "truth/log/prediction_log.h"

namespace outrider::truth {

class LogFigures {
 public:
  explicit LogFigures(const LogSettings& settings) : settings_(settings) {}  // Must outlive it.

  void drop(AppendDrop reason, std::uint64_t rows) {
    dropped_[static_cast<std::size_t>(reason)].fetch_add(rows, std::memory_order_relaxed);
  }
  void count_reopened() { reopened_.fetch_add(1, std::memory_order_relaxed); }

  // What the owner knows: all but what is dropped, waits and has been counted of labels.
  void publish(const PredictionLog::Figures& figures);
  PredictionLog::Figures get() const;  // The same, and what was dropped.

  void collect(const PredictionLog::Figures& now, wire::MetricSink& sink) const;

 private:
  static void collect_streams(const PredictionLog::Figures& now, wire::MetricSink& sink);

  const LogSettings& settings_;
  std::array<std::atomic<std::uint64_t>, append_drop_count> dropped_{};
  std::atomic<std::uint64_t> reopened_{0};
  mutable Mutex mutex_;
  PredictionLog::Figures figures_ GUARDED_BY(mutex_);
};

}  // namespace outrider::truth
