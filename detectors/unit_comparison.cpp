// SPDX-License-Identifier: Apache-2.0
#include "detectors/unit_comparison.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <random>

namespace outrider::detectors {
namespace {

constexpr double splits_max = 200'000;
constexpr int draws = 20'000;
constexpr double confidence = 0.95;
// Two sums of the same values in another order may differ in the last digits.
constexpr double rounding = 1e-9;
// Units whose means differ by less than a tenth of the margin are nearly equal.
constexpr double nearly_equal = 0.1;

double mean_of(const std::vector<double>& values) {
  return values.empty() ? 0
                        : std::accumulate(values.begin(), values.end(), 0.0) /
                              static_cast<double>(values.size());
}

double variance_of_mean(const std::vector<double>& values) {
  if (values.size() < 2) return 0;
  const double mean = mean_of(values);
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const auto n = static_cast<double>(values.size());
  return squares / (n - 1) / n;
}

double splits_of(std::size_t all, std::size_t some) {
  double splits = 1;
  for (std::size_t i = 1; i <= some; ++i) {
    splits *= static_cast<double>(all - some + i) / static_cast<double>(i);
  }
  return splits;
}

std::vector<double> less(std::vector<double> values, double amount) {
  for (double& value : values) value -= amount;
  return values;
}

// Half of Welch's interval of a sum of the groups' means; 0 where they do not vary.
double half_interval(const std::vector<const std::vector<double>*>& groups) {
  double variance = 0, spread = 0;
  for (const auto* group : groups) {
    const double v = variance_of_mean(*group);
    variance += v;
    if (group->size() > 1) spread += v * v / (static_cast<double>(group->size()) - 1);
  }
  if (!(variance > 0) || !(spread > 0)) return 0;
  const boost::math::students_t student(variance * variance / spread);
  return quantile(complement(student, (1 - confidence) / 2)) * std::sqrt(variance);
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

std::string count(std::size_t units) {
  return std::to_string(units) + (units == 1 ? " unit" : " units");
}

// What makes any verdict impossible; empty: nothing.
std::string lacking(std::string_view side, const UnitSamples& samples, bool requests,
                    const UnitComparisonRule& rule) {
  const std::string name(side);
  if (samples.values() == 0) {
    return samples.missing() > 0
               ? "all " + std::to_string(samples.missing()) + " values " + name + " are missing"
               : "there are no values " + name;
  }
  if (samples.units() < rule.units_min) {
    return "only " + count(samples.units()) + " " + name + ": at least " +
           std::to_string(rule.units_min) +
           " a side are needed, and 5 for p <= " + number(rule.p_max);
  }
  if (requests && samples.values() < rule.requests_min) {
    return "only " + std::to_string(samples.values()) + " requests " + name + ": at least " +
           std::to_string(rule.requests_min) + " a side are needed";
  }
  return "";
}

std::string fewest_units(std::size_t a, std::size_t b, const UnitComparisonRule& rule) {
  const double least = 2 / splits_of(a + b, b);
  if (least <= rule.p_max) return "";
  return "with " + std::to_string(a) + " and " + std::to_string(b) + " units p is at least " +
         number(std::min(least, 1.0)) + ", and " + number(rule.p_max) + " is needed: take 5 a side";
}

}  // namespace

std::string_view to_string(ChangeVerdict verdict) {
  switch (verdict) {
    case ChangeVerdict::worse:
      return "worse";
    case ChangeVerdict::better:
      return "better";
    case ChangeVerdict::no_difference:
      return "no_difference";
    case ChangeVerdict::insufficient_evidence:
      break;
  }
  return "insufficient_evidence";
}

void UnitSamples::add(const std::string& unit, double value) {
  if (!std::isfinite(value)) return add_missing();
  Sum& sum = units_[unit];
  sum.sum += value;
  ++sum.count;
  ++values_;
  if (value != 0 && value != 1) only_zeros_and_ones_ = false;
}

std::vector<double> UnitSamples::means() const {
  std::vector<double> means;
  for (const auto& [unit, sum] : units_) means.push_back(sum.sum / static_cast<double>(sum.count));
  return means;
}

double permutation_p(const std::vector<double>& before, const std::vector<double>& after) {
  if (before.empty() || after.empty()) return 1;
  std::vector<double> all = before;
  all.insert(all.end(), after.begin(), after.end());
  const std::size_t k = after.size();
  const double total = std::accumulate(all.begin(), all.end(), 0.0);
  const double expected = total * static_cast<double>(k) / static_cast<double>(all.size());
  const double scale = std::accumulate(all.begin(), all.end(), 0.0,
                                       [](double s, double x) { return s + std::abs(x); });
  // Of a split only the sum of the second group matters.
  const double real =
      std::abs(std::accumulate(after.begin(), after.end(), 0.0) - expected) - rounding * scale;
  const auto as_far = [&](double sum) { return std::abs(sum - expected) >= real; };

  if (splits_of(all.size(), k) <= splits_max) {
    std::vector<std::size_t> chosen(k);
    std::iota(chosen.begin(), chosen.end(), 0);
    std::uint64_t far = 0, splits = 0;
    while (true) {
      double sum = 0;
      for (const std::size_t i : chosen) sum += all[i];
      far += as_far(sum);
      ++splits;
      std::size_t place = k;  // The next combination in lexical order.
      while (place > 0 && chosen[place - 1] == all.size() - k + place - 1) --place;
      if (place == 0) break;
      ++chosen[place - 1];
      for (std::size_t i = place; i < k; ++i) chosen[i] = chosen[i - 1] + 1;
    }
    return static_cast<double>(far) / static_cast<double>(splits);
  }
  std::mt19937_64 random(1);
  int far = 1;
  for (int draw = 0; draw < draws; ++draw) {
    double sum = 0;
    for (std::size_t i = 0; i < k; ++i) {
      const std::size_t other = i + random() % (all.size() - i);
      std::swap(all[i], all[other]);
      sum += all[i];
    }
    far += as_far(sum);
  }
  return static_cast<double>(far) / (draws + 1);
}

namespace {

// The verdict and its words, where the differences and p are known.
void judge_units(UnitComparison& result, double half, std::size_t units_a_side, bool controlled,
                 const std::string& least, const UnitComparisonRule& rule) {
  const double margin = rule.margin * std::abs(result.mean_before);
  const bool large = std::abs(result.difference) >= margin && result.difference != 0;
  const std::string found = number(result.mean_before) + " before, " + number(result.mean_after) +
                            " after" + (controlled ? ", less what changed for the control" : "") +
                            ", p = " + number(result.p);
  if (large && result.p <= rule.p_max) {
    const bool higher = result.difference > 0;
    result.verdict = higher == rule.higher_is_worse ? ChangeVerdict::worse : ChangeVerdict::better;
    result.reason = found;
    return;
  }
  const auto within = [&](double bound) { return result.low >= -bound && result.high <= bound; };
  if (within(margin * nearly_equal) || (half > 0 && within(margin))) {
    result.verdict = ChangeVerdict::no_difference;
    result.reason = found + "; a difference of " + number(margin) + " is ruled out";
    return;
  }
  result.reason =
      found + "; the difference is between " + number(result.low) + " and " + number(result.high);
  if (large && !least.empty()) {
    result.reason += "; " + least;
  } else if (margin > 0) {
    // The half-width goes with the root of the units.
    const double times = half * half / (margin * margin);
    const auto smaller = static_cast<double>(units_a_side);
    const double needed = std::ceil(std::max(smaller * times, smaller + 1));
    result.reason += needed < 1e6 ? "; some " + std::to_string(std::lround(needed)) + " units"
                                  : "; more than a million units";
    result.reason += " a side would tell a difference of " + number(margin);
  }
}

}  // namespace

UnitComparison compare_units(const UnitSamples& before, const UnitSamples& after,
                             const UnitSamples& control_before, const UnitSamples& control_after,
                             const UnitComparisonRule& rule) {
  UnitComparison result;
  result.units_before = before.units();
  result.units_after = after.units();
  result.units_control = control_after.units();
  const bool controlled = control_before.values() + control_before.missing() +
                              control_after.values() + control_after.missing() >
                          0;
  std::vector<std::pair<std::string_view, const UnitSamples*>> sides = {{"before", &before},
                                                                        {"after", &after}};
  if (controlled) {
    sides.push_back({"of the control before", &control_before});
    sides.push_back({"of the control after", &control_after});
  }
  const bool requests = std::all_of(sides.begin(), sides.end(), [](const auto& side) {
    return side.second->only_zeros_and_ones();
  });
  for (const auto& [name, samples] : sides) {
    result.reason = lacking(name, *samples, requests, rule);
    if (!result.reason.empty()) return result;
  }

  const auto b = before.means(), a = after.means();
  const auto cb = control_before.means(), ca = control_after.means();
  result.has_difference = true;
  result.mean_before = mean_of(b);
  result.mean_after = mean_of(a);
  result.difference = result.mean_after - result.mean_before - (mean_of(ca) - mean_of(cb));
  result.p = permutation_p(b, a);
  std::vector<const std::vector<double>*> groups = {&b, &a};
  std::string least = fewest_units(b.size(), a.size(), rule);
  if (controlled) {
    result.p = std::max(result.p, permutation_p(less(ca, mean_of(cb)), less(a, mean_of(b))));
    groups.insert(groups.end(), {&cb, &ca});
    if (least.empty()) least = fewest_units(ca.size(), a.size(), rule);
  }
  const double half = half_interval(groups);
  result.low = result.difference - half;
  result.high = result.difference + half;
  judge_units(result, half, std::min(a.size(), b.size()), controlled, least, rule);
  return result;
}

}  // namespace outrider::detectors
