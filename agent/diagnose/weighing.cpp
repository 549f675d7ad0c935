// SPDX-License-Identifier: Apache-2.0
#include "agent/diagnose/weighing.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace outrider::diagnose {
namespace {

constexpr double least_score = 1e-3;  // So that odds of nothing are still odds.

std::vector<std::size_t> ranked(const std::vector<Suspect>& suspects) {
  std::vector<std::size_t> order(suspects.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&suspects](std::size_t a, std::size_t b) {
    const Suspect &one = suspects[a], &other = suspects[b];
    return one.score != other.score ? one.score > other.score : one.tie > other.tie;
  });
  return order;
}

}  // namespace

double p_of_score(double score, const std::vector<double>& calm_best) {
  const auto as_high = std::count_if(calm_best.begin(), calm_best.end(),
                                     [score](double one) { return one >= score; });
  return (std::exp(-score / calm_scale) + static_cast<double>(as_high)) /
         static_cast<double>(1 + calm_best.size());
}

double joined_p(double a, double b) {
  const double both = a * b;
  return both <= 0 ? 0 : both * (1 - std::log(both));
}

double score_needed(double score, const std::vector<double>& calm_best, double p_symptom) {
  const auto named = [&](double at) {
    const double p = p_of_score(at, calm_best);
    return (p_symptom < 1 ? joined_p(p, p_symptom) : p) <= false_alarm;
  };
  double low = score, high = score + 1;
  while (!named(high)) high += high - low;
  for (int i = 0; i < 50; ++i) {
    const double middle = (low + high) / 2;
    (named(middle) ? high : low) = middle;
  }
  return high;
}

Weighed weigh(const std::vector<Suspect>& suspects, double p, const std::vector<Change>& changes,
              double begin, double step) {
  Weighed out;
  out.change.resize(suspects.size());
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const Change& change = changes[i];
    if (change.time < begin - change_before_seconds ||
        change.time > suspects[change.component].onset + step)
      continue;
    auto& latest = out.change[change.component];
    if (!latest || change.time > changes[*latest].time) latest = i;
  }
  std::vector<double> weight;
  double total = 0;
  std::size_t changed = 0;
  for (std::size_t c = 0; c < suspects.size(); ++c) {
    weight.push_back(std::pow(std::max(suspects[c].score, least_score), sharpness) *
                     (out.change[c] ? change_odds : 1));
    total += weight.back();
    changed += out.change[c] ? 1 : 0;
  }
  out.order = ranked(suspects);
  std::stable_sort(out.order.begin(), out.order.end(),
                   [&weight](std::size_t a, std::size_t b) { return weight[a] > weight[b]; });
  out.p = std::min(1.0, p);
  if (!out.order.empty() && out.change[out.order.front()])
    out.p *= static_cast<double>(changed) / static_cast<double>(suspects.size());
  const double something = 1 / (1 + out.p / false_alarm);
  for (const double one : weight) out.probability.push_back(something * one / total);
  out.named = out.p <= false_alarm;
  return out;
}

}  // namespace outrider::diagnose
