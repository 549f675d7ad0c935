// SPDX-License-Identifier: Apache-2.0
#pragma once

// From scores to probabilities and a verdict, with the changes beside. PURE.
//
// p. How often calm times score as high as the best suspect does:
//   p = (exp(-score / 0.3) + calm windows whose best score is as high) / (1 + calm windows).
//   The exponential stands for calm times that a short baseline did not see: in four systems the
//   best scores of calm windows fell off with a scale of .24 to .35. A symptom's own p joins by
//   Fisher's way: both = p x p', both (1 - ln both). The best score is taken before errors are
//   shared among those that may have them. A cause is named where p <= 0.005; everything above is
//   "insufficient evidence".
// Probability. score^3 / sum of score^3, times 1 / (1 + p / 0.005): that something is wrong at all.
// Changes. A change is no evidence, it is prior odds: one at a component from an hour before the
//   search window to a row after the component's onset doubles its odds. Since a change sits at the
//   first of n components by chance in one of n cases, p is then multiplied by that share. Blamed
//   is the latest change in time at the first component, if a cause is named.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace outrider::diagnose {

constexpr double calm_scale = 0.3;
constexpr double false_alarm = 0.005;
constexpr double sharpness = 3;
constexpr double change_odds = 2;
constexpr double change_before_seconds = 3600;

struct Change {
  std::size_t component = 0;
  double time = 0;  // Unix seconds.
  std::string kind, what;
};

// The p of a score among the best scores of calm windows.
double p_of_score(double score, const std::vector<double>& calm_best);
// Two independent p's as one.
double joined_p(double a, double b);
// The least score at or above `score` that would be named. `p_symptom`: 1 without a symptom.
double score_needed(double score, const std::vector<double>& calm_best, double p_symptom);

struct Suspect {
  double score = 0;
  double tie = 0;    // The larger comes first among equal scores.
  double onset = 0;  // Unix seconds.
};

struct Weighed {
  std::vector<std::size_t> order;   // Suspects, the likeliest first.
  std::vector<double> probability;  // By suspect.
  double p = 1;
  bool named = false;
  std::vector<std::optional<std::size_t>> change;  // By suspect: the latest change in time there.
};

// `begin`: of the search window; `step`: a row's width, seconds.
Weighed weigh(const std::vector<Suspect>& suspects, double p, const std::vector<Change>& changes,
              double begin, double step);

}  // namespace outrider::diagnose
