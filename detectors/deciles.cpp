// SPDX-License-Identifier: Apache-2.0
#include "detectors/deciles.h"

#include <algorithm>

namespace outrider::detectors {

Deciles::Deciles(const FrozenSubject& reference) {
  const std::size_t bins = reference.bins.value_bins();
  double begin = 0;
  for (std::size_t bin = 0; bin < bins; ++bin) {
    const double ratio = reference.ratio(bin);
    const double end = begin + ratio;
    const auto decile_of = [](double share) {
      return std::min(static_cast<std::size_t>(share * count), count - 1);
    };
    const std::size_t first = decile_of(begin);
    const std::size_t last = std::max(first, decile_of(end));
    double left = 1;
    for (std::size_t decile = first; decile < last; ++decile) {
      const double from = std::max(begin, static_cast<double>(decile) / count);
      const double weight = (static_cast<double>(decile + 1) / count - from) / ratio;
      const double taken = std::clamp(weight, 0.0, left);
      if (taken > 0) parts_.push_back({bin, decile, taken});
      left -= taken;
    }
    if (left > 0) parts_.push_back({bin, last, left});
    begin = end;
  }
}

std::array<double, Deciles::count> Deciles::of(std::span<const std::uint64_t> counts) const {
  std::array<double, count> found{};
  for (const Part& part : parts_) {
    found[part.decile] += part.weight * static_cast<double>(counts[part.bin]);
  }
  return found;
}

}  // namespace outrider::detectors
