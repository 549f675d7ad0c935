// SPDX-License-Identifier: Apache-2.0
#include "agent/suspects/shown_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace outrider::suspects {
namespace {

using diagnose::Values;
using incident::Diagnosis;

constexpr Duration before = std::chrono::hours(1);
constexpr double moved_at_least = 3;

Values finite(const Values& values, std::size_t first, std::size_t last) {
  Values out;
  for (std::size_t i = first; i < std::min(last, values.size()); ++i) {
    if (std::isfinite(values[i])) out.push_back(values[i]);
  }
  return out;
}

// How far the values since the onset lie from those before it, in calm spreads.
double moved_by(const Values& values, std::size_t first, std::size_t onset) {
  const Values calm = finite(values, first, onset), since = finite(values, onset, values.size());
  const auto normal = diagnose::median(calm), now = diagnose::median(since);
  if (!normal || !now) return 0;
  Values distances;
  for (const double value : calm) distances.push_back(std::abs(value - *normal));
  const double spread = diagnose::median(distances).value_or(0);
  // A metric that never moved has no spread: a hundredth of what it is stands in.
  return std::abs(*now - *normal) / std::max({spread, 0.01 * std::abs(*normal), 1e-9});
}

double three_digits(double value) {
  if (value == 0 || !std::isfinite(value)) return value;
  const double scale = std::pow(10, 3 - std::ceil(std::log10(std::abs(value))));
  return std::round(value * scale) / scale;
}

Diagnosis::Shown shown(const Suspect& suspect, const std::string& metric, const Values& values,
                       std::size_t first, const Plan& plan) {
  const std::size_t rows = values.size() - first;
  const std::size_t stretch = std::max<std::size_t>(1, (rows + shown_values - 1) / shown_values);
  Diagnosis::Shown out{suspect.name(),
                       metric,
                       plan.from + static_cast<std::int64_t>(first) * plan.step,
                       static_cast<std::int64_t>(stretch) * plan.step,
                       {}};
  for (std::size_t i = first; i < values.size(); i += stretch) {
    const auto middle = diagnose::median(finite(values, i, i + stretch));
    out.values.push_back(three_digits(middle.value_or(std::numeric_limits<double>::quiet_NaN())));
  }
  return out;
}

}  // namespace

std::vector<Diagnosis::Shown> shown_rows(const Collection& collection, const Suspect& suspect) {
  const auto found = collection.suspects().find(suspect);
  if (found == collection.suspects().end()) return {};
  const Plan& plan = collection.plan();
  const auto row_of = [&plan](Time at) {
    return at <= plan.from ? std::size_t{0}
                           : static_cast<std::size_t>((at - plan.from) / plan.step);
  };
  const std::size_t first = row_of(plan.at - before), onset = row_of(plan.at);
  std::vector<std::pair<double, const std::string*>> moved;
  for (const auto& [metric, values] : found->second.values) {
    if (values.size() <= first) continue;
    const double by = moved_by(values, first, onset);
    if (by >= moved_at_least) moved.emplace_back(by, &metric);
  }
  std::sort(moved.begin(), moved.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : *a.second < *b.second;
  });
  if (moved.size() > shown_metrics) moved.resize(shown_metrics);
  std::vector<Diagnosis::Shown> out;
  for (const auto& [by, metric] : moved)
    out.push_back(shown(suspect, *metric, found->second.values.at(*metric), first, plan));
  return out;
}

}  // namespace outrider::suspects
