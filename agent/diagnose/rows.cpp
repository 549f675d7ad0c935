// SPDX-License-Identifier: Apache-2.0
#include "agent/diagnose/rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace outrider::diagnose {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double interval_default = 60;  // Seconds.

void add_differences(const Values& times, Values& out) {
  for (std::size_t i = 1; i < times.size(); ++i) {
    if (times[i] > times[i - 1]) out.push_back(times[i] - times[i - 1]);
  }
}

double median_of(Values values) {
  return median(values).value_or(nan);
}

}  // namespace

const Values* Rows::find(std::string_view metric) const {
  const auto found = metrics.find(metric);
  return found == metrics.end() ? nullptr : &found->second;
}

Rows rows_where(const Rows& rows, const std::function<bool(double)>& accepted) {
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (accepted(rows.times[i])) kept.push_back(i);
  }
  Rows out;
  const auto pick = [&kept](const Values& from) {
    Values to;
    to.reserve(kept.size());
    for (const std::size_t i : kept) to.push_back(from[i]);
    return to;
  };
  out.times = pick(rows.times);
  for (const auto& [name, values] : rows.metrics) out.metrics.emplace(name, pick(values));
  return out;
}

double row_interval(const Side& side) {
  Values differences;
  for (const Rows& rows : side) add_differences(rows.times, differences);
  return median(differences).value_or(interval_default);
}

Rows condensed(const Rows& rows, double width, double origin) {
  Values differences;
  for (std::size_t i = 1; i < rows.size(); ++i)
    differences.push_back(rows.times[i] - rows.times[i - 1]);
  // A hundredth less: time stamps are not always whole multiples.
  if (rows.size() < 2 || *median(differences) >= width * 0.99) return rows;
  Rows out;
  std::vector<std::size_t> starts;
  double last = nan;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double bucket = std::floor((rows.times[i] - origin) / width);
    if (bucket == last) continue;
    last = bucket;
    starts.push_back(i);
    out.times.push_back(origin + bucket * width);
  }
  starts.push_back(rows.size());
  for (const auto& [name, values] : rows.metrics) {
    Values& to = out.metrics[name];
    to.reserve(out.times.size());
    for (std::size_t i = 0; i + 1 < starts.size(); ++i) {
      to.push_back(median_of(Values(values.begin() + static_cast<std::ptrdiff_t>(starts[i]),
                                    values.begin() + static_cast<std::ptrdiff_t>(starts[i + 1]))));
    }
  }
  return out;
}

Grid::Grid(const Side& side, double width) {
  Values times;
  for (const Rows& rows : side) {
    // Most components have the same times: only new ones are kept.
    const auto middle = static_cast<std::ptrdiff_t>(times.size());
    times.insert(times.end(), rows.times.begin(), rows.times.end());
    std::inplace_merge(times.begin(), times.begin() + middle, times.end());
    times.erase(std::unique(times.begin(), times.end()), times.end());
  }
  for (const double time : times) {
    if (slots_.empty() || time - slots_.back() >= width / 2) slots_.push_back(time);
  }
}

Values Grid::on(const Values& times, const Values& values) const {
  Values out(slots_.size(), nan);
  std::size_t slot = 0;
  for (std::size_t i = 0; i < times.size(); ++i) {
    while (slot + 1 < slots_.size() && slots_[slot + 1] <= times[i]) ++slot;
    out[slot] = values[i];
  }
  return out;
}

std::optional<double> median(std::span<const double> values) {
  Values finite;
  finite.reserve(values.size());
  for (const double value : values) {
    if (std::isfinite(value)) finite.push_back(value);
  }
  if (finite.empty()) return std::nullopt;
  return quantile(finite, 0.5);
}

double quantile(Values& values, double q) {
  const double at = q * static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::ptrdiff_t>(std::floor(at));
  std::nth_element(values.begin(), values.begin() + low, values.end());
  const double below = values[static_cast<std::size_t>(low)];
  const double part = at - std::floor(at);
  if (part == 0) return below;
  const double above = *std::min_element(values.begin() + low + 1, values.end());
  return below + part * (above - below);
}

std::optional<Level> highest_level(std::span<const double> values) {
  std::optional<Level> best;
  std::size_t before = Grid::none;
  bool pair = false;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) continue;
    if (before == Grid::none) {
      best = Level{values[i], i};
    } else if (const double both = std::min(values[before], values[i]);
               !pair || both > best->value) {
      best = Level{both, before};
      pair = true;
    }
    before = i;
  }
  return best;
}

std::optional<std::size_t> first_slot(std::span<const double> values, double level) {
  std::size_t before = Grid::none;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) continue;
    if (before != Grid::none && std::min(values[before], values[i]) >= level) return before;
    before = i;
  }
  return std::nullopt;
}

}  // namespace outrider::diagnose
