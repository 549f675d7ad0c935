// SPDX-License-Identifier: Apache-2.0
#pragma once

// The newest exemplars of a partition, of which each takes the place of the oldest. PURE, not
// thread-safe. O(1).

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/core/series.h"
#include "base/remote_write/codec/decode.h"

namespace outrider::ingest {

struct StoredExemplar {
  remote_write::Hash128 fingerprint;  // The series'.
  Labels labels;
  double value = 0;
  std::int64_t timestamp_ms = 0;
};

class ExemplarRing {
 public:
  explicit ExemplarRing(std::size_t exemplars_max) : exemplars_max_(exemplars_max) {}

  void add(StoredExemplar exemplar) {
    if (ring_.size() < exemplars_max_) {
      ring_.push_back(std::move(exemplar));
    } else if (exemplars_max_ > 0) {
      ring_[oldest_] = std::move(exemplar);
      oldest_ = (oldest_ + 1) % exemplars_max_;
    }
  }
  std::span<const StoredExemplar> all() const { return ring_; }  // In no order.

 private:
  const std::size_t exemplars_max_;
  std::vector<StoredExemplar> ring_;
  std::size_t oldest_ = 0;
};

}  // namespace outrider::ingest
