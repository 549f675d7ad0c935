// SPDX-License-Identifier: Apache-2.0
#pragma once

// Design effect of live rows: how many rows that hang together say as much as one independent row.
//
// Idea. Of independent rows, the counts of neighbouring batches differ as a multinomial's do. Rows
//   that come in runs (one sensor, one session, one batch job) make them differ more, by a factor
//   that is the variance inflation of the pane's own counts once the batches are longer than the
//   runs. So the live panes themselves tell it, without the order of training, and no row is looked
//   at twice:
//     rank  of the mean mid-rank: sum_i n_i (u_i - u)^2 / (s^2 (k - 1)), k batches of n_i rows whose
//           mean rank is u_i. The most inflated contrast where the values themselves drag on.
//     bins  of the average contrast: Pearson's chi-square of the k x B table over (k - 1)(B - 1).
//   For three lengths of batch: 10 s and 40 s within the pane of five minutes, and the pane
//   against the one before it.
// Parameters. The three lengths; 12 panes kept; three standard errors.
// Robust. A drift is a jump between two batches, not an inflation of all; the estimate of a length
//   is the median of the last 12 panes (an hour), so that a single jump moves nothing; of three or
//   four panes the smallest or the second, and of fewer nothing: a version's first jump is a drift
//   too.
// Cautious. A length is believed when its median exceeds 1 by three standard errors of a median of
//   chi-square ratios; the effect is the largest believed one, else 1: independent rows lose
//   nothing.
// Use (Rao & Scott). Chi-square statistics are chi-square / rank with (B - 1) bins / rank degrees
//   of freedom: the mean of the inflated statistic, and the scale of its most inflated contrast, so
//   that its tail is not too light. KS noise grows by sqrt(rank), the bias of PSI by bins.
// Cost. O(slots x 45) a pane of five minutes and subject, 5 us at 20 bins; nothing a row. State:
//   432 bytes a subject.
// Example. Standard normals with autocorrelation 0.9, 600 rows in five minutes: batches of 20 rows
//   say 11, of 80 rows 17, panes of 600 rows 19 = (1 + 0.9) / (1 - 0.9).
// Replicas. A property of one pod's stream. Where the pods' rows are independent of each other the
//   variances of their counts add, so the effect of summed counts is the mean of the pods',
//   weighted by rows, hence at most the largest of them: that is what the fleet's rules use.
// Fails. Until three panes have closed it is 1: a new version's first quarter of an hour is judged
//   as if its rows were independent. Runs much longer than a pane (a season) are no
//   inflation but a difference from the reference, and stay one. Something that alternates from
//   pane to pane for an hour (a batch job each ten minutes) is called dependence.
// Source. Rao & Scott, "On chi-squared tests for multiway contingency tables with cell proportions
//   estimated from survey data", Annals of Statistics 1984; batch means: Flyvbjerg & Petersen 1989.
//
// Not thread-safe.

#include <array>
#include <cstdint>
#include <span>

#include "detectors/snapshot.h"

namespace outrider::detectors {

struct DesignEffect {
  double rank = 1;  // >= bins
  double bins = 1;  // >= 1

  bool operator==(const DesignEffect&) const = default;
};

// The larger of each: of tests that compare two streams, or of one over several subjects.
DesignEffect largest(const DesignEffect& a, const DesignEffect& b);

// A chi-square statistic's upper tail where the rows have this effect, and the statistic with that
// tail.
double chi_square_p(double statistic, double degrees, const DesignEffect& effect);
double chi_square_critical(double p, double degrees, const DesignEffect& effect);

// Of k batches of one subject's value bins; an empty batch takes no part.
struct BatchVariance {
  double rank = 1;           // Variance of the mean rank beside that of independent rows.
  double bins = 1;           // Likewise, averaged over the contrasts of the bins.
  std::uint8_t degrees = 0;  // Batches with rows - 1; 0: nothing can be said.
};
BatchVariance batch_variance(std::span<const std::span<const std::uint32_t>> batches);

class Dispersion {
 public:
  // Lengths of batches: 10 s, 40 s, five minutes.
  static constexpr std::size_t lengths = 3;
  static constexpr std::size_t kept = 12;

  void add(std::size_t length, const BatchVariance& variance);  // Of one pane of five minutes.
  DesignEffect effect() const;

  // Part of a snapshot; read() is false when the bytes are no such state.
  void write(SnapshotWriter& out) const;
  static bool read(SnapshotReader& in, Dispersion& dispersion);
  bool operator==(const Dispersion&) const = default;

 private:
  struct Pane {
    float rank = 0, bins = 0;
    std::uint8_t degrees = 0;
    bool operator==(const Pane&) const = default;
  };
  struct Recent {
    std::array<Pane, kept> panes{};
    std::uint8_t next = 0, count = 0;
    bool operator==(const Recent&) const = default;
  };
  std::array<Recent, lengths> recent_{};
};

}  // namespace outrider::detectors
