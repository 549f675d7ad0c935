// SPDX-License-Identifier: Apache-2.0
#pragma once

// Findings on their way from those who score to the one who judges. Thread-safe; bounded: past
// `findings_max` a finding is dropped and counted, but for an end, which would leave an incident
// open for ever.

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "agent/series/finding.h"

namespace outrider::watch {

class FindingsInbox {
 public:
  explicit FindingsInbox(std::size_t findings_max) : findings_max_(findings_max) {}

  struct Content {
    std::vector<series::Finding> findings;
    std::map<double, std::uint64_t> scores;  // In sixteen steps, so it stays small.
  };

  void put(series::Findings findings) {
    scored_ += findings.scored;
    if (findings.list.empty() && findings.scores.empty()) return;
    std::lock_guard lock(mutex_);
    for (const double score : findings.scores) ++content_.scores[score];
    for (series::Finding& finding : findings.list) {
      if (content_.findings.size() < findings_max_ ||
          finding.observed.news == series::News::ended) {
        content_.findings.push_back(std::move(finding));
      } else {
        ++dropped_;
      }
    }
  }
  // All of it; empty afterwards.
  Content take() {
    std::lock_guard lock(mutex_);
    return std::exchange(content_, {});
  }

  std::uint64_t scored() const { return scored_; }  // Samples.
  std::uint64_t dropped() const { return dropped_; }

 private:
  const std::size_t findings_max_;
  std::atomic<std::uint64_t> scored_{0}, dropped_{0};
  std::mutex mutex_;
  Content content_;
};

}  // namespace outrider::watch
