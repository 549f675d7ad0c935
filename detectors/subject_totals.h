// SPDX-License-Identifier: Apache-2.0
#pragma once

// Counts of all subjects since construction, by the slots of a frame layout. Never restored, so
// that exported counters start at 0. PURE, not thread-safe. O(1) a value.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "detectors/panes.h"

namespace outrider::detectors {

class SubjectTotals {
 public:
  explicit SubjectTotals(const FrameLayout& layout)
      : counts_(layout.slots()), tails_(layout.subjects()) {}

  void count(std::size_t place) { ++counts_[place]; }  // Of the layout.
  void add_tail(std::size_t subject, const TailSums& share) { tails_[subject].add(share); }
  void add(const Frame& rows) {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += rows.counts[i];
    for (std::size_t i = 0; i < tails_.size(); ++i) tails_[i].add(rows.tails[i]);
  }
  BinCounts subject(const FrameLayout& layout, std::size_t subject) const {
    const auto begin = counts_.begin() + static_cast<std::ptrdiff_t>(layout.offset(subject));
    return {{begin, begin + static_cast<std::ptrdiff_t>(layout.slots_of(subject))},
            tails_[subject]};
  }
  std::size_t memory_bytes() const {  // On the heap.
    return counts_.capacity() * sizeof(std::uint64_t) + tails_.capacity() * sizeof(TailSums);
  }

 private:
  std::vector<std::uint64_t> counts_;
  std::vector<TailSums> tails_;
};

}  // namespace outrider::detectors
