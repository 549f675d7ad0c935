// SPDX-License-Identifier: Apache-2.0
#include "detectors/tail_score.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace outrider::detectors {
namespace {

constexpr std::size_t half_knots = tail_knots / 2;
constexpr std::array<double, half_knots> lower_levels = {
    0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.37, 0.44};

double level(std::size_t knot) {
  if (knot < half_knots) return lower_levels[knot];
  if (knot == half_knots) return 0.5;
  return 1 - lower_levels[tail_knots - 1 - knot];
}

// One component's share of the score is bounded, so that one absurd value does not hide all others.
constexpr double surprise_max = 700;

double surprise_at(std::size_t knot) {
  return -std::log(2 * std::min(level(knot), 1 - level(knot)));
}

// Beyond the outermost knot the tail goes on with the slope between the knots at 0.1 % and 1 %;
// where the reference has an atom there, with that of the next knots inwards that differ.
double outer_slope(std::span<const double> knots, bool upper) {
  for (std::size_t inner = 3; inner <= half_knots; ++inner) {
    const std::size_t outermost = upper ? tail_knots - 1 : 0;
    const std::size_t other = upper ? tail_knots - 1 - inner : inner;
    const double width = std::abs(knots[outermost] - knots[other]);
    if (width > 0) return (surprise_at(0) - surprise_at(inner)) / width;
  }
  return 1e6;  // A constant on that side: any departure is as surprising as can be.
}

}  // namespace

void TailTable::add_component(std::span<const double> sorted) {
  assert(!sorted.empty());
  std::array<double, tail_knots> knots{};
  for (std::size_t i = 0; i < tail_knots; ++i) {
    const double place = level(i) * static_cast<double>(sorted.size() - 1);
    const auto below = static_cast<std::size_t>(place);
    const std::size_t above = std::min(below + 1, sorted.size() - 1);
    const double share = place - static_cast<double>(below);
    knots[i] = sorted[below] + share * (sorted[above] - sorted[below]);
  }
  tables_.push_back(prepare(knots));
}

Result<TailTable> TailTable::restore(std::vector<double> knots) {
  if (knots.size() % tail_knots != 0) {
    return fail("bad_tails", std::to_string(knots.size()) + " knots: expected a multiple of " +
                                 std::to_string(tail_knots));
  }
  TailTable table;
  for (std::size_t begin = 0; begin < knots.size(); begin += tail_knots) {
    const std::span<const double> one(knots.data() + begin, tail_knots);
    for (std::size_t i = 0; i < tail_knots; ++i) {
      if (!std::isfinite(one[i]) || (i > 0 && one[i] < one[i - 1])) {
        return fail("bad_tails", "knot " + std::to_string(begin + i) +
                                     ": expected finite numbers, ascending within a component");
      }
    }
    table.tables_.push_back(prepare(one));
  }
  return table;
}

TailTable::Table TailTable::prepare(std::span<const double> knots) {
  std::array<double, tail_knots> surprise{};
  for (std::size_t i = 0; i < tail_knots; ++i) surprise[i] = surprise_at(i);
  // Knots that coincide are an atom: it is as surprising as its most ordinary level.
  for (std::size_t i = half_knots; i-- > 0;) {
    if (knots[i] == knots[i + 1]) surprise[i] = surprise[i + 1];
  }
  for (std::size_t i = half_knots + 1; i < tail_knots; ++i) {
    if (knots[i] == knots[i - 1]) surprise[i] = surprise[i - 1];
  }
  Table table;
  std::copy(knots.begin(), knots.end(), table.knots.numbers.begin());
  table.slope[0] = -outer_slope(knots, false);
  table.offset[0] = surprise[0] - table.slope[0] * knots[0];
  for (std::size_t i = 1; i < tail_knots; ++i) {
    const double width = knots[i] - knots[i - 1];
    const double slope = width > 0 ? (surprise[i] - surprise[i - 1]) / width : 0;
    table.slope[i] = std::isfinite(slope) ? slope : 0;
    table.offset[i] = surprise[i] - table.slope[i] * knots[i];
  }
  table.slope[tail_knots] = outer_slope(knots, true);
  table.offset[tail_knots] = surprise.back() - table.slope[tail_knots] * knots.back();
  return table;
}

std::vector<double> TailTable::knots() const {
  std::vector<double> all;
  for (const Table& table : tables_) {
    all.insert(all.end(), table.knots.numbers.begin(), table.knots.numbers.begin() + tail_knots);
  }
  return all;
}

double TailTable::score(std::span<const double> z) const {
  assert(z.size() >= tables_.size());
  double sum = 0;
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    const Table& table = tables_[i];
    const std::size_t segment = count_below(table.knots, z[i]);
    const double surprise = table.offset[segment] + table.slope[segment] * z[i];
    sum += std::clamp(surprise, 0.0, surprise_max);
  }
  return sum;
}

}  // namespace outrider::detectors
