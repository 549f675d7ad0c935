// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the methods of the average have in common: a series without gaps, and the promise to look at
// nothing behind `at`.
//
// PURE.

#include <cstddef>
#include <string_view>
#include <vector>

#include "detectors/forecast/season.h"

namespace outrider::detectors::forecast {

// Gaps are filled from before them: with the value a season ago, moved by how far the latest known
// value stood from its own; without a season with the latest known value. What is filled may be
// looked back at, but is never learned.
struct Filled {
  std::vector<double> values;
  std::vector<char> known;
};
Filled fill(const std::vector<double>& values, const Seasons& seasons);

class Method {
 public:
  virtual ~Method() = default;
  virtual std::string_view name() const = 0;
  // Learns from what comes before `end`, which never falls from call to call.
  virtual void learn(std::size_t end) = 0;
  // `horizon` values from slot `at` on, from the values before it and from what was learned.
  virtual std::vector<double> ahead(std::size_t at, std::size_t horizon) const = 0;
};

}  // namespace outrider::detectors::forecast
