// SPDX-License-Identifier: Apache-2.0
#pragma once

// When a pane that is still filling may be looked at, and how much of its error budget a look may
// spend.
//
// Idea. A busy model has enough rows for a verdict long before its five minutes are over. Each look
//   is a chance to be wrong, so the looks of one pane share one budget (alpha spending): the k-th,
//   k = 0, 1, …, is due at first x 2^k rows and spends 2^-(k+2) of it, so that all early looks
//   together spend at most a half; the end of the pane spends the rest. By Boole's inequality the
//   chance of a false alarm in any look is at most the whole budget, whatever the looks have in
//   common. A pane without an early look spends all of it at its end, as if there were no looks.
// Parameters. The rows of the first look: 25 a bin, as in the alarm rule.
// Looks come at the ends of ten-second batches, whichever thresholds were passed by then; a look
//   that passes several spends what was theirs.
// Cost. One comparison each ten seconds.
// Example. First look at 500, 25 000 rows in five minutes, 833 in ten seconds: looks at 833 (1/4),
//   1 666 (1/8), 2 500 (1/16), 4 166 (1/32), 8 333 (1/64), 16 666 (1/128), and the end with 1/2 +
//   1/128.
// Source. Lan & DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 1983; the
//   geometric spending is Bonferroni's over a sequence whose length is not known beforehand.
// Fails. A change in the second half of a busy pane is diluted by the first half, as in a pane
//   without looks. The looks overlap, so together they spend less than is booked: the bound is not
//   sharp.

#include <cstdint>

namespace outrider::detectors {

class PaneLooks {
 public:
  explicit PaneLooks(std::uint64_t first_rows) : first_rows_(first_rows) {}

  // The share of the pane's budget for a look at so many rows; 0 when none is due. Does not take
  // it.
  double due(std::uint64_t rows) const;
  void take(std::uint64_t rows);  // The look at so many rows was taken.
  double rest() const;            // What is left for the end of the pane: in [1/2, 1].
  // When the next look is due.
  std::uint64_t next_rows() const;
  void begin() { taken_ = 0; }  // Another pane.

  std::uint8_t taken() const { return taken_; }  // For a snapshot.
  void restore(std::uint8_t taken) { taken_ = taken < looks_max ? taken : looks_max; }

 private:
  // 2^48 times the first look is more than a pane holds.
  static constexpr std::uint8_t looks_max = 48;
  std::uint8_t passed(std::uint64_t rows) const;

  std::uint64_t first_rows_;
  std::uint8_t taken_ = 0;  // Thresholds passed by a look.
};

}  // namespace outrider::detectors
