// SPDX-License-Identifier: Apache-2.0
#include "detectors/conformal.h"

#include <algorithm>
#include <bit>

namespace outrider::detectors {
namespace {

// Eight bins an octave: the exponent and the three highest bits of the mantissa of a positive
// double are its bin, up to an offset.
constexpr int mantissa_bits_dropped = 52 - 3;
constexpr std::int64_t first_bin = static_cast<std::int64_t>(1023 - 16) << 3;

}  // namespace

std::size_t ConformalHistogram::bin_of(double score) {
  if (score != score) return bins - 1;
  if (score <= 0) return 0;
  const auto bits = std::bit_cast<std::int64_t>(score);
  const std::int64_t bin = (bits >> mantissa_bits_dropped) - first_bin;
  return static_cast<std::size_t>(std::clamp<std::int64_t>(bin, 0, bins - 1));
}

Result<ConformalHistogram> ConformalHistogram::restore(std::span<const std::uint64_t> counts) {
  if (counts.size() != bins) {
    return fail("bad_anomaly",
                std::to_string(counts.size()) + " counts: expected " + std::to_string(bins));
  }
  ConformalHistogram histogram;
  for (std::size_t i = 0; i < bins; ++i) {
    if (counts[i] > (std::uint64_t{1} << 53)) return fail("bad_anomaly", "a count above 2^53");
    histogram.counts_[i] = counts[i];
    histogram.rows_ += counts[i];
  }
  histogram.freeze();
  return histogram;
}

void ConformalHistogram::add(double score) {
  ++counts_[bin_of(score)];
  ++rows_;
}

void ConformalHistogram::freeze() {
  std::uint64_t at_least = 0;
  for (std::size_t i = bins; i-- > 0;) {
    at_least += counts_[i];
    p_[i] = (1 + static_cast<double>(at_least)) / (static_cast<double>(rows_) + 1);
  }
}

double ConformalHistogram::p_value(double score) const {
  return rows_ == 0 ? 1 : p_[bin_of(score)];
}

}  // namespace outrider::detectors
