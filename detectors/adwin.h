// SPDX-License-Identifier: Apache-2.0
#pragma once

// ADWIN: a window of recent values that grows while they look alike and shrinks when they do not.
// PURE, not thread-safe.
//
// Idea. Keep as many recent values as are consistent with one mean. If the window can be cut into
// an older part (n0 values, mean m0) and a newer one (n1, m1) with
//     |m0 - m1| > sqrt(2/m * var * d) + 2/3 * d/m,   d = ln(2 ln(n) / delta),
//     1/m = 1/(n0 - w + 1) + 1/(n1 - w + 1),         w = min_window, n = n0 + n1
// then the oldest values go, and that is a drift. Values are kept as sums over blocks of 1, 2, 4,
// ... values, at most `blocks_max` of a size, so a window of n takes O(blocks_max log(n /
// blocks_max)) memory; cuts are tried between blocks only, at every `check_every`-th value.
//
// Paper: A. Bifet, R. Gavalda, "Learning from time-changing data with adaptive windowing", SDM
// 2007. The bound with w and the defaults are those of river.drift.ADWIN, with which the alarm rows
// agree (test/oracle/test_error_detectors.py). Where we deviate from river:
// - river drops the whole window after a drift; here, as in the paper, the newer part stays unless
//   reset() is called;
// - a variance that rounding makes negative becomes 0.
//
// Cost: about 10 ns a value and, at each check, O(blocks^2) at worst; the state is some 16 bytes a
// block, about 1.5 KiB for a window of a million.
//
// Worked example. 64 zeros, then ones. The checks at value 32 and 64 find nothing. At value 96 the
// cut 64 | 32 has means 0 and 1; var = 64*32/96^2 = 0.222; d = ln(2 * ln(96) / 0.002) = 8.426; 1/m
// = 1/60 + 1/28 = 0.0524; bound = sqrt(2*0.0524*0.222*8.426) + 2/3*8.426*0.0524 = 0.737 < 1: drift.
//
//   Adwin adwin;
//   if (adwin.update(error) == Signal::drift) adwin.reset();
//
// Where it fails. The bound is for independent values, and each cut tried is another test: bursts
// of errors are reported as drifts. It has no reference: a model that is bad from the start is its
// normal. It signals improvement too. As the window grows, an old, good past keeps it slow for
// small changes.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "detectors/signal.h"

namespace outrider::detectors {

struct AdwinOptions {
  double delta = 0.002;            // In (0, 1): the confidence of one check.
  std::uint64_t check_every = 32;  // Values.
  std::uint64_t blocks_max = 5;    // Of each size; 1 to 64.
  double min_window = 5;           // Parts shorter than this are not compared; at least 1.
  double grace = 10;               // No check until the window is longer than this.

  bool operator==(const AdwinOptions&) const = default;
};

class Adwin {
 public:
  explicit Adwin(AdwinOptions options = {});  // Options out of their bounds are a broken invariant.

  Signal update(double value);  // What is_usable() refuses is counted in refused(), nothing else.
  void reset() { *this = Adwin(options_); }

  double width() const { return width_; }  // Values in the window.
  double mean() const { return width_ > 0 ? sum_ / width_ : 0; }
  double variance() const { return width_ > 0 ? deviations_ / width_ : 0; }
  std::uint64_t drifts() const { return drifts_; }
  std::uint64_t refused() const { return refused_; }
  std::size_t state_bytes() const;

  std::string serialise() const;
  static Result<Adwin> restore(std::string_view bytes);  // Errors: snapshot_*.

 private:
  struct Block {
    double sum;
    double deviations;  // Sum of squared deviations from the block's mean.
  };

  void insert(double value);
  void merge_full_rows();
  bool has_cut() const;
  bool differ(double older, double newer, double mean_difference) const;
  void drop_oldest();

  AdwinOptions options_;
  std::vector<std::vector<Block>> rows_;  // Row i: blocks of 2^i values, the oldest first.
  double width_ = 0, sum_ = 0, deviations_ = 0;
  std::uint64_t values_ = 0, drifts_ = 0, refused_ = 0;
};

}  // namespace outrider::detectors
