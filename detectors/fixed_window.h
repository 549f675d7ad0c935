// SPDX-License-Identifier: Apache-2.0
#pragma once

// A fixed window: is the error rate of the last n labels above a threshold? What most dashboards
// do, and the yardstick for everything else here. PURE, not thread-safe.
//
// Idea. Keep the last `labels` labels (one bit each). When the window is full and its error rate
// exceeds
//     reference_rate + sigmas * sqrt(reference_rate (1 - reference_rate) / labels)
// that is a drift, for as long as it lasts.
//
// Source: W. A. Shewhart's control chart (1931) over a moving window, for a proportion (p-chart).
//
// Cost: about 5 ns a label; n/8 bytes.
//
// Worked example (labels = 4, reference_rate = 0.2, sigmas = 1): the threshold is 0.2 + sqrt(0.04)
// = 0.4. Right, wrong, right, right: the window is full, 1/4 is below. Wrong: the window is now
// wrong, right, right, wrong, and 2/4 > 0.4: drift.
//
//   FixedWindow window({.labels = 1000, .reference_rate = 0.05});
//   if (window.update(wrong) == Signal::drift) …
//
// Where it fails. One n cannot serve both: a short one never sees a small fall, a long one is slow
// for a large one. Each label is another look, so three sigmas alarm every few thousand labels. An
// estimated reference is taken for exact.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "detectors/signal.h"

namespace outrider::detectors {

struct FixedWindowOptions {
  std::uint64_t labels = 1000;  // 1 to 2^24.
  double reference_rate = 0.05;
  double sigmas = 3;

  bool operator==(const FixedWindowOptions&) const = default;
};

class FixedWindow {
 public:
  explicit FixedWindow(FixedWindowOptions options = {});

  Signal update(bool wrong);
  void reset() { *this = FixedWindow(options_); }

  double threshold() const { return threshold_; }
  double error_rate() const;     // Of the labels in the window; 0 when it is empty.
  std::uint64_t labels() const;  // In the window.
  std::size_t state_bytes() const { return sizeof(*this) + bits_.capacity() * sizeof(bits_[0]); }

  std::string serialise() const;
  static Result<FixedWindow> restore(std::string_view bytes);  // Errors: snapshot_*.

 private:
  FixedWindowOptions options_;
  double threshold_;
  std::vector<std::uint64_t>
      bits_;  // A ring; the label of row i is bit i modulo the window's length.
  std::uint64_t seen_ = 0, wrong_ = 0;
};

}  // namespace outrider::detectors
