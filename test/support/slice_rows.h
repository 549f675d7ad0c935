// SPDX-License-Identifier: Apache-2.0
#pragma once

// Joined rows of a made-up model, for tests and benchmark of error slices: 2 000 rows, half of them
// since the change, 8 features of 10 slices; the slice f0 = 3 has a tenth of the rows.

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "detectors/error_slices.h"

namespace outrider::test {

struct SliceScene {
  const char* name;
  double before = .05, since = .05;              // Error rate of all rows but the slice's.
  double slice_before = .05, slice_since = .05;  // Of the slice's.
  double share_since = .1;                       // Of the slice, since the change.
  bool uneven = false;  // f1 and f2 tell errors apart at all times: `before` is from 2 % to 34 %.
  double factor = 1;    // Of uneven rates since the change.
};

inline constexpr SliceScene slice_scenes[] = {
    {.name = "planted: 5 % -> 25 %", .slice_since = .25},
    {.name = "planted, and 5 % -> 10 % elsewhere", .since = .1, .slice_since = .30},
    {.name = "none"},
    {.name = "errors rose everywhere, 5 % -> 20 %", .since = .2, .slice_since = .2},
    {.name = "the slice grew from 10 % to 30 %", .share_since = .3},
    {.name = "a slice always at 30 %", .slice_before = .3, .slice_since = .3},
    {.name = "a slice always at 30 %, and it grew",
     .slice_before = .3,
     .slice_since = .3,
     .share_since = .3},
    {.name = "uneven rates", .uneven = true},
    {.name = "uneven rates, doubled everywhere", .uneven = true, .factor = 2},
};

// One draw as a double in [0, 1): the same with every standard library.
inline double uniform(std::mt19937_64& random) {
  return std::ldexp(static_cast<double>(random() >> 11), -53);
}

inline detectors::ErrorSlices slice_rows(const SliceScene& scene, std::uint64_t seed,
                                         int rows = 2'000) {
  constexpr std::size_t features = 8, slices = 10;
  std::vector<detectors::SliceFeature> names(features);
  for (std::size_t f = 0; f < features; ++f) {
    names[f].name = "f" + std::to_string(f);
    for (std::size_t s = 0; s < slices; ++s) names[f].slices.push_back(std::to_string(s));
  }
  detectors::ErrorSlices counts(std::move(names));
  std::mt19937_64 random(seed);
  std::vector<std::size_t> row(features);
  for (int i = 0; i < rows; ++i) {
    const bool since = i >= rows / 2;
    for (std::size_t& slice : row) slice = random() % slices;
    const bool inside = uniform(random) < (since ? scene.share_since : .1);
    const std::size_t other = random() % (slices - 1);
    row[0] = inside ? 3 : other + (other >= 3 ? 1 : 0);
    double rate = since ? scene.since : scene.before;
    if (inside) rate = since ? scene.slice_since : scene.slice_before;
    if (scene.uneven) {
      rate = .02 + .03 * static_cast<double>(row[1]) + (row[2] >= 5 ? .05 : 0);
      if (since) rate = std::min(.95, rate * scene.factor);
    }
    counts.add(row, uniform(random) < rate, since);
  }
  return counts;
}

inline bool planted_first(const detectors::SliceReport& report) {
  return report.named > 0 && report.ranked[0].feature == "f0" && report.ranked[0].slice == "3";
}

}  // namespace outrider::test
