// SPDX-License-Identifier: Apache-2.0
#include "detectors/forecast/coarse.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace outrider::detectors::forecast {
namespace {

constexpr std::size_t coarse_day_max = 48;
constexpr std::size_t coarse_day_min = 12;
constexpr std::size_t shape_days = 14;

// The line through the middles of blocks, at a fine slot counted from the first block's begin.
double on_line(const std::vector<double>& blocks, std::size_t block, std::size_t slot) {
  const double place = (static_cast<double>(slot) + 0.5) / static_cast<double>(block) - 0.5;
  const double last = static_cast<double>(blocks.size()) - 1;
  const double within = std::clamp(place, 0.0, last);
  const auto below = static_cast<std::size_t>(within);
  const std::size_t above = std::min(below + 1, blocks.size() - 1);
  return blocks[below] + (within - static_cast<double>(below)) * (blocks[above] - blocks[below]);
}

}  // namespace

std::size_t block_size(std::size_t day) {
  if (day <= coarse_day_max) return 1;
  for (std::size_t slots = coarse_day_max; slots >= coarse_day_min; --slots) {
    if (day % slots == 0) return day / slots;
  }
  return 1;
}

std::vector<double> coarsen(std::span<const double> fine, std::size_t block) {
  const std::size_t skip = fine.size() % block;
  std::vector<double> coarse;
  coarse.reserve(fine.size() / block);
  for (std::size_t begin = skip; begin < fine.size(); begin += block) {
    double sum = 0;
    std::size_t known = 0;
    for (std::size_t i = begin; i < begin + block; ++i) {
      if (!std::isfinite(fine[i])) continue;
      sum += fine[i];
      ++known;
    }
    coarse.push_back(known > 0 && 3 * known >= block ? sum / static_cast<double>(known)
                                                     : std::numeric_limits<double>::quiet_NaN());
  }
  return coarse;
}

std::vector<double> Refiner::shape(std::size_t at) const {
  std::vector<double> means(day_, 0);
  const std::size_t days = std::min(at / day_, shape_days);
  if (days < 3) return means;
  const std::size_t begin = at - days * day_;
  const std::vector<double> blocks = coarsen(fine_.subspan(begin, days * day_), block_);
  std::vector<double> counts(day_, 0);
  double squares = 0, all = 0;
  for (std::size_t i = begin; i < at; ++i) {
    const double off = fine_[i] - on_line(blocks, block_, i - begin);
    if (!std::isfinite(off)) continue;
    means[i % day_] += off;
    counts[i % day_] += 1;
    squares += off * off;
    all += 1;
  }
  double of_means = 0, phases = 0;
  for (std::size_t p = 0; p < day_; ++p) {
    if (counts[p] == 0) continue;
    means[p] /= counts[p];
    of_means += means[p] * means[p];
    phases += 1;
  }
  if (all <= phases || of_means <= 0) return std::vector<double>(day_, 0);
  // What is left within phases, and how much of the means' spread that alone explains.
  const double within = std::max(0.0, squares / all - of_means / phases) * all / (all - phases);
  const double chance = within / static_cast<double>(days) * phases;
  const double kept = std::max(0.0, 1 - chance / of_means);
  for (double& mean : means) mean *= kept;
  return means;
}

std::vector<double> Refiner::refine(std::size_t at, const std::vector<double>& coarse,
                                    std::size_t horizon) const {
  std::vector<double> fine(horizon);
  const std::vector<double> phases = shape(at);
  for (std::size_t h = 0; h < horizon; ++h) {
    fine[h] = on_line(coarse, block_, block_ + h) + phases[(at + h) % day_];
  }
  return fine;
}

}  // namespace outrider::detectors::forecast
