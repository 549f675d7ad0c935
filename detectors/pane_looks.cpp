// SPDX-License-Identifier: Apache-2.0
#include "detectors/pane_looks.h"

#include <cmath>
#include <limits>

namespace outrider::detectors {
namespace {

// What looks 0 to `count` - 1 may spend together.
double spent(std::uint8_t count) {
  return 0.5 - std::ldexp(0.5, -count);
}

}  // namespace

std::uint8_t PaneLooks::passed(std::uint64_t rows) const {
  std::uint8_t count = 0;
  while (count < looks_max && (rows >> count) >= first_rows_ && first_rows_ > 0) ++count;
  return count;
}

double PaneLooks::due(std::uint64_t rows) const {
  const std::uint8_t count = passed(rows);
  return count > taken_ ? spent(count) - spent(taken_) : 0;
}

void PaneLooks::take(std::uint64_t rows) {
  const std::uint8_t count = passed(rows);
  if (count > taken_) taken_ = count;
}

double PaneLooks::rest() const {
  return 1 - spent(taken_);
}

std::uint64_t PaneLooks::next_rows() const {
  if (taken_ >= looks_max || first_rows_ > (std::numeric_limits<std::uint64_t>::max() >> taken_)) {
    return std::numeric_limits<std::uint64_t>::max();
  }
  return first_rows_ << taken_;
}

}  // namespace outrider::detectors
