// SPDX-License-Identifier: Apache-2.0
#pragma once

// HDDM_A: does the mean of all labels exceed the mean of the best early stretch by more than
// Hoeffding's bound allows? PURE, not thread-safe, O(1).
//
// Idea. Hoeffding: a mean of n bounded values lies within sqrt(ln(1/c) / 2n) of its expectation
// with confidence 1 - c, whatever their distribution. The cut is kept where mean + bound of the
// values so far is least (n_cut values, mean m_cut). With n values and mean m in all, a rise is
// reported when
//     m - m_cut >= sqrt( (n - n_cut) / (n_cut n) / 2 * ln(2 / c) )
// for c = `drift_confidence`, or as a warning for c = `warning_confidence`. Two-sided, a fall is
// looked for likewise, from the cut where mean - bound is greatest.
//
// Paper: I. Frias-Blanco et al., "Online and non-parametric drift detection methods based on
// Hoeffding's bounds", IEEE TKDE 27 (2015). As river.drift.binary.HDDMA, with which the alarm rows
// agree (test/oracle/test_error_detectors.py). After a drift it says drift until the means come
// together again or reset().
//
// Cost: about 30 ns a label (logarithms and roots); 100 bytes.
//
// Worked example (c = 0.5). Right, wrong: after label 1 the cut is there, m_cut = 0, bound
// sqrt(ln 2 / 2) = 0.589. Label 2: m = 0.5, bound 0.416; 0.589 < 0.916, so the cut stays;
// 0.5 >= sqrt(1/2/2 * ln 4) = 0.589? No. Label 3, wrong: m = 2/3 >= sqrt(2/3/2 * ln 4) = 0.680? No.
// Label 4, wrong: m = 3/4 >= sqrt(3/4/2 * ln 4) = 0.721: drift.
//
//   HddmA hddm;
//   if (hddm.update(wrong) == Signal::drift) hddm.reset();
//
// Where it fails. The confidence is of one comparison; over a stream there are thousands, and the
// cut is chosen by the same labels. Hoeffding ignores the variance, so rare errors are seen late;
// the mean of all labels reacts the more slowly the longer the model was good. Bursts break the
// bound.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "detectors/signal.h"

namespace outrider::detectors {

struct HddmAOptions {
  double drift_confidence = 0.001;  // Both in (0, 1).
  double warning_confidence = 0.005;
  bool two_sided = false;

  bool operator==(const HddmAOptions&) const = default;
};

class HddmA {
 public:
  explicit HddmA(HddmAOptions options = {});

  Signal update(bool wrong);
  void reset() { *this = HddmA(options_); }

  double error_rate() const { return all_.value; }
  std::uint64_t labels() const { return all_.count; }

  std::string serialise() const;
  static Result<HddmA> restore(std::string_view bytes);  // Errors: snapshot_*.

 private:
  struct Mean {
    std::uint64_t count = 0;
    double value = 0;
  };

  double bound(const Mean& mean) const;
  bool exceeds(const Mean& cut, double difference, double confidence) const;
  Signal compare(const Mean& cut, double difference) const;

  HddmAOptions options_;
  Mean all_;
  Mean low_cut_, high_cut_;
};

}  // namespace outrider::detectors
