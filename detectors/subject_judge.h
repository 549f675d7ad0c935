// SPDX-License-Identifier: Apache-2.0
#pragma once

// SubjectJudge: the counts of one window, of all subjects of a reference, to a verdict each. A
// subject is compared with its reference, or with what is expected of the window's hours
// (rhythm.h), by tests that know how many independent rows its rows are worth (design_effect.h).
//
//   SubjectJudge judge(reference, rule);
//   judge.judge([&](std::size_t i) { return panes.sum(window, i); }, judge.hours_between(since, now));
//
// Order. The features, "prediction" where the reference has one, then the components of its
//   multivariate subject, which share one verdict: its distances are the largest of theirs, its
//   p-value is Bonferroni's over all of them and over two tests each: chi-square, which sees any
//   change, and the rank test, which needs fewer rows for a shift or a widening.
// Cost. judge(): O(bins of all subjects), three times that where other hours are asked.
//
// PURE, not thread-safe.

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "detectors/design_effect.h"
#include "detectors/drift_rule.h"
#include "detectors/panes.h"
#include "detectors/reference.h"
#include "detectors/rhythm.h"
#include "detectors/snapshot.h"

namespace outrider::detectors {

// One subject's counts by themselves; its state is warming_up.
Verdict verdict_of(const FrozenSubject& frozen, const BinCounts& against, const BinCounts& live,
                   const DesignEffect& design);

class SubjectJudge {
 public:
  using Live = std::function<BinCounts(std::size_t subject)>;
  // What is expected of a window's hours, and of the same an hour earlier and later. No rhythm:
  // empty.
  struct Hours {
    std::array<Expectation, 3> shifts;
  };
  using ByHours = std::optional<Hours>;

  SubjectJudge(std::shared_ptr<const Reference> reference, const DriftRule& rule);

  const Reference& reference() const { return *reference_; }
  const DriftRule& rule() const { return rule_; }
  std::size_t subjects() const { return frozen_.size(); }
  const FrozenSubject& subject(std::size_t i) const { return *frozen_[i]; }
  std::size_t first_score() const { return first_score_; }  // The first multivariate component.
  const DesignEffect& design(std::size_t subject) const { return designs_[subject]; }

  // The verdicts are by `live`'s counts alone, with a share of the error budget.
  std::vector<Verdict> judge(const Live& live, const ByHours& hours, double share = 1) const;
  ByHours hours_of(std::span<const Rhythm::Part> parts) const;
  ByHours hours_between(Time since, Time until) const;  // Rows that came evenly enough.
  // Whether the newest hours deviate as a longer window does, in one verdict's subjects: a drift
  // that has passed is not one for a day.
  bool agree(std::size_t verdict, const Live& window, const Hours& window_hours, const Live& newest,
             const Hours& newest_hours) const;

  // How a subject's rows hang together: of one closed pane, by length of batch (Dispersion::add).
  void note_batches(std::size_t subject, std::size_t length, const BatchVariance& variance);

  Rhythm* rhythm() { return rhythm_ ? &*rhythm_ : nullptr; }  // Null: not watched.
  const Rhythm* rhythm() const { return rhythm_ ? &*rhythm_ : nullptr; }

  // Part of a snapshot: what was learned of dispersion, and of the rhythm. read_… are false where
  // the bytes are no such state.
  std::string fingerprint() const;  // Names the bins: a state over others is of no use.
  void write_dispersions(SnapshotWriter& out) const;
  void write_rhythm(SnapshotWriter& out) const;
  bool read_dispersions(SnapshotReader& in);
  bool read_rhythm(SnapshotReader& in);

  std::size_t memory_bytes() const;  // On the heap.

 private:
  struct Judged {
    Verdict verdict;
    BinCounts against;
  };
  Judged judge_subject(std::size_t subject, const BinCounts& live, const ByHours& hours) const;
  Verdict judge_multivariate(const Live& live, const ByHours& hours) const;

  std::shared_ptr<const Reference> reference_;
  DriftRule rule_;
  std::vector<const FrozenSubject*> frozen_;  // Features, prediction, PCA scores.
  std::size_t first_score_ = 0;
  std::vector<Dispersion> dispersions_;
  std::vector<DesignEffect> designs_;  // Theirs.
  std::optional<Rhythm> rhythm_;
};

}  // namespace outrider::detectors
