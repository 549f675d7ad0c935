// SPDX-License-Identifier: Apache-2.0
#pragma once

// Page-Hinkley: has the mean of a series moved away from its own past mean? PURE, not thread-safe,
// O(1).
//
// Idea. Sum up how far each value lies above (below) the running mean, less a tolerated delta.
// Without a change the sum keeps falling (rising); after one it leaves its extreme behind:
//     m <- mean of all values;   d = x - m
//     up   <- alpha up   + d - delta;   drift when up - min(up) > threshold
//     down <- alpha down + d + delta;   drift when max(down) - down > threshold
// from `warm_up` values on.
//
// Paper: E. S. Page, "Continuous inspection schemes", Biometrika 41 (1954); D. V. Hinkley,
// "Inference about the change-point from cumulative sum tests", Biometrika 58 (1971). Form,
// forgetting alpha and defaults as in river.drift.PageHinkley, with which the alarm rows agree
// (test/oracle/test_error_detectors.py). After a drift it says drift until reset().
//
// Cost: about 5 ns a value; 100 bytes.
//
// Worked example (alpha = 1, delta = 0.1, threshold = 1, warm_up = 1), values 0 0 2: means 0, 0,
// 2/3; up = -0.1, -0.2, -0.2 + 4/3 - 0.1 = 1.0333; min = -0.2; 1.2333 > 1: drift at the third
// value.
//
//   PageHinkley test({.mode = PageHinkleyMode::up});
//   if (test.update(error) == Signal::drift) test.reset();
//
// Where it fails. The threshold has the unit of the values, and no false-alarm rate: 50, made for
// larger numbers, needs at least 50 errors beyond the mean in a stream of zeros and ones. With
// alpha = 1 a random walk crosses any threshold in the end. The mean follows the change, so a slow
// one hides.

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "detectors/signal.h"

namespace outrider::detectors {

enum class PageHinkleyMode : std::uint8_t { up, down, both };

struct PageHinkleyOptions {
  std::uint64_t warm_up = 30;
  double delta = 0.005;
  double threshold = 50;
  double alpha = 0.9999;  // In (0, 1].
  PageHinkleyMode mode = PageHinkleyMode::both;

  bool operator==(const PageHinkleyOptions&) const = default;
};

class PageHinkley {
 public:
  explicit PageHinkley(PageHinkleyOptions options = {});

  Signal update(double value);  // What is_usable() refuses is counted in refused(), nothing else.
  void reset() { *this = PageHinkley(options_); }

  double mean() const { return mean_; }
  double statistic() const;  // What is compared with the threshold, by the mode; never negative.
  std::uint64_t values() const { return values_; }
  std::uint64_t refused() const { return refused_; }

  std::string serialise() const;
  static Result<PageHinkley> restore(std::string_view bytes);  // Errors: snapshot_*.

 private:
  PageHinkleyOptions options_;
  std::uint64_t values_ = 0, refused_ = 0;
  double mean_ = 0;
  double up_ = 0, lowest_up_ = std::numeric_limits<double>::infinity();
  double down_ = 0, highest_down_ = -std::numeric_limits<double>::infinity();
};

}  // namespace outrider::detectors
