// SPDX-License-Identifier: Apache-2.0
#pragma once

// DDM, the Drift Detection Method: is the error rate significantly above its own best? PURE, not
// thread-safe, O(1).
//
// Idea. A learner's error rate p, with standard deviation s = sqrt(p (1-p) / n), should fall or
// stay. Keep p_min and s_min of the moment when p + s was least (from `warm_up` labels on):
//     warning when p + s > p_min + 2 s_min;   drift when p + s > p_min + 3 s_min.
//
// Paper: J. Gama, P. Medas, G. Castillo, P. Rodrigues, "Learning with drift detection", SBIA 2004.
// As river.drift.binary.DDM, with which the alarm rows agree (test/oracle/test_error_detectors.py).
// After a drift it says drift until reset().
//
// Cost: about 10 ns a label (a square root); 80 bytes.
//
// Worked example (warm_up = 1): right, right, wrong, right -> after label 2: p = 0, s = 0, so
// p_min = s_min = 0; label 3: p = 1/3, s = sqrt(2/27) = 0.272; 0.605 > 0: drift, at the first
// error.
//
//   Ddm ddm;
//   if (ddm.update(wrong) == Signal::drift) ddm.reset();
//
// Where it fails. The worked example: s_min is no honest deviation when few errors were seen. The
// minimum over time is biased low, so three "sigma" are not 0.1 % but a false alarm every few
// thousand labels, and more if errors are rare. p is a mean over all labels, so the longer the
// model was good, the later a drift is seen. A fixed past: it is only as good as its first labels.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "detectors/signal.h"

namespace outrider::detectors {

struct DdmOptions {
  std::uint64_t warm_up = 30;  // Labels.
  double warning_sigmas = 2;
  double drift_sigmas = 3;

  bool operator==(const DdmOptions&) const = default;
};

class Ddm {
 public:
  explicit Ddm(DdmOptions options = {});

  Signal update(bool wrong);
  void reset() { *this = Ddm(options_); }

  double error_rate() const { return rate_; }
  double best_error_rate() const { return has_best_ ? best_rate_ : rate_; }
  std::uint64_t labels() const { return labels_; }

  std::string serialise() const;
  static Result<Ddm> restore(std::string_view bytes);  // Errors: snapshot_*.

 private:
  DdmOptions options_;
  std::uint64_t labels_ = 0;
  double rate_ = 0;
  bool has_best_ = false;
  double best_rate_ = 0, best_deviation_ = 0;
};

}  // namespace outrider::detectors
