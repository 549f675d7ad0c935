// SPDX-License-Identifier: Apache-2.0
#include "predictor/gates/gates.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace outrider::gates {
namespace {

using evaluate::Outcomes;

std::string fixed(double value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}
std::string percent(double share) {
  return fixed(share * 100, 1) + "%";
}
std::string points(double share) {
  return fixed(share * 100, 1) + " points";
}

double error_rate(const Outcomes& outcomes, const std::vector<std::size_t>& rows) {
  const auto wrong = std::count_if(rows.begin(), rows.end(),
                                   [&](std::size_t i) { return outcomes.wrong[i] != 0; });
  return static_cast<double>(wrong) / static_cast<double>(rows.size());
}

Verdict judge_better(const Evidence& evidence, const Bounds& bounds) {
  if (!evidence.production) return {"better", true, "no production version to beat"};
  const auto rows = evidence.candidate.all_rows();
  if (rows.size() < bounds.rows_min) {
    return {"better", false,
            "only " + std::to_string(rows.size()) + " held-out rows; at least " +
                std::to_string(bounds.rows_min) + " are needed to compare with " +
                evidence.production_version};
  }
  const double candidate = 1 - error_rate(evidence.candidate, rows);
  const double production = 1 - error_rate(*evidence.production, rows);
  const double needed = production + std::min(bounds.margin, (1 - production) / 2);
  const std::string figures = "accuracy " + percent(candidate) + " against " + percent(production) +
                              " of " + evidence.production_version + " on " +
                              std::to_string(rows.size()) + " held-out rows";
  if (candidate > production && candidate >= needed) return {"better", true, figures};
  return {"better", false,
          figures + "; at least " + percent(needed) + " and more than " + percent(production) +
              " is needed, short by " + points(std::max(0.0, needed - candidate))};
}

// How much worse than production a segment is, less what chance explains: the one-sided 95 % lower
// bound of the mean paired difference of errors.
double worse_by_at_least(const Outcomes& candidate, const Outcomes& production,
                         const std::vector<std::size_t>& rows) {
  const auto n = static_cast<double>(rows.size());
  double sum = 0, squares = 0;
  for (const std::size_t i : rows) {
    const double difference = candidate.wrong[i] - production.wrong[i];
    sum += difference;
    squares += difference * difference;
  }
  const double mean = sum / n;
  const double variance = std::max(0.0, squares / n - mean * mean) / n;
  return mean - 1.645 * std::sqrt(variance);
}

Verdict judge_segments(const Evidence& evidence, const Bounds& bounds) {
  if (!evidence.production) return {"segments", true, "no production version to compare with"};
  std::string refused;
  std::size_t judged = 0;
  for (const auto& [name, rows] : evidence.segments) {
    if (rows.size() < bounds.rows_min) continue;
    ++judged;
    if (worse_by_at_least(evidence.candidate, *evidence.production, rows) <= bounds.segment_bound) {
      continue;
    }
    const double candidate = error_rate(evidence.candidate, rows);
    const double production = error_rate(*evidence.production, rows);
    refused += (refused.empty() ? "" : ", ") + name + ": errors " + percent(candidate) +
               " against " + percent(production) + " of " + evidence.production_version + " on " +
               std::to_string(rows.size()) + " rows, worse by " + points(candidate - production) +
               " (bound " + points(bounds.segment_bound) + ")";
  }
  if (!refused.empty()) return {"segments", false, refused};
  return {"segments", true, std::to_string(judged) + " segments judged"};
}

double favourable_rate(const Outcomes& outcomes, const std::vector<std::size_t>& rows) {
  if (!outcomes.classes) return 1 - error_rate(outcomes, rows);
  const auto favourable = std::count_if(rows.begin(), rows.end(),
                                        [&](std::size_t i) { return outcomes.predicted[i] == 1; });
  return static_cast<double>(favourable) / static_cast<double>(rows.size());
}

Verdict judge_fairness(const Evidence& evidence, const Bounds& bounds) {
  if (evidence.groups.empty()) return {"fairness", true, "no group column named"};
  auto privileged = evidence.groups.find(evidence.privileged_group);
  if (privileged == evidence.groups.end()) {
    if (!evidence.privileged_group.empty()) {
      return {"fairness", false,
              "no held-out row is of the privileged group '" + evidence.privileged_group + "'"};
    }
    privileged = std::max_element(
        evidence.groups.begin(), evidence.groups.end(),
        [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
  }
  const double base = favourable_rate(evidence.candidate, privileged->second);
  std::string refused;
  std::size_t judged = 0;
  for (const auto& [name, rows] : evidence.groups) {
    if (name == privileged->first || rows.size() < bounds.rows_min) continue;
    ++judged;
    const double rate = favourable_rate(evidence.candidate, rows);
    const double spd = rate - base;
    const double dir = base > 0 ? rate / base : (rate > 0 ? HUGE_VAL : 1.0);
    const bool fair =
        std::abs(spd) <= bounds.spd_bound && dir >= bounds.dir_low && dir <= bounds.dir_high;
    if (fair) continue;
    refused += (refused.empty() ? "" : ", ") + name + " against " + privileged->first +
               ": favourable " + percent(rate) + " and " + percent(base) + ", SPD " +
               fixed(spd, 3) + " (bound ±" + fixed(bounds.spd_bound, 2) + "), DIR " +
               fixed(dir, 2) + " (bounds " + fixed(bounds.dir_low, 2) + " to " +
               fixed(bounds.dir_high, 2) + ")";
  }
  if (!refused.empty()) return {"fairness", false, refused};
  return {"fairness", true, std::to_string(judged) + " groups judged against " + privileged->first};
}

Verdict judge_latency(const Evidence& evidence, const Bounds& bounds) {
  if (!evidence.latency_seconds) return {"latency", true, "not measured"};
  const double bound = to_seconds(bounds.latency_max);
  const std::string figures = "99th percentile of a prediction " +
                              fixed(*evidence.latency_seconds * 1e6, 1) + " µs (bound " +
                              fixed(bound * 1e6, 1) + " µs)";
  return {"latency", *evidence.latency_seconds <= bound, figures};
}

}  // namespace

bool Judgement::passed() const {
  return std::all_of(verdicts.begin(), verdicts.end(), [](const Verdict& v) { return v.passed; });
}

std::string Judgement::refusal() const {
  std::string text;
  for (const Verdict& verdict : verdicts) {
    if (verdict.passed) continue;
    text +=
        (text.empty() ? "" : "; ") + ("gate '" + verdict.gate + "' refuses: " + verdict.message);
  }
  return text;
}

Judgement judge(const Evidence& evidence, const Bounds& bounds) {
  return {{judge_better(evidence, bounds), judge_segments(evidence, bounds),
           judge_fairness(evidence, bounds), judge_latency(evidence, bounds)}};
}

}  // namespace outrider::gates
