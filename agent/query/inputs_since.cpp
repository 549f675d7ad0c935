// SPDX-License-Identifier: Apache-2.0
#include "agent/query/inputs_since.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace outrider::query {
namespace {

using incident::Facts;
using Comparison = Facts::Comparison;
using detectors::Shift;
using detectors::ShiftRule;
using detectors::ShiftSamples;

constexpr std::size_t inputs_max = 1'000;
constexpr double count_max = 9007199254740992.0;  // 2^53: every count below is exact.
constexpr Duration before_window = std::chrono::hours(1);
constexpr Duration asked_patience = std::chrono::seconds(10);  // Bins of hundreds of pods.

using Bins = std::map<std::string, std::uint64_t>;

// Two samples as counts over the bins that `names` lists.
struct Pair {
  std::vector<std::uint64_t> live, base;
};

Pair pair_over(const std::set<std::string>& names, const Bins& live, const Bins& base) {
  Pair pair;
  const auto rows = [](const Bins& bins, const std::string& name) {
    const auto found = bins.find(name);
    return found == bins.end() ? 0 : found->second;
  };
  for (const std::string& name : names) {
    pair.live.push_back(rows(live, name));
    pair.base.push_back(rows(base, name));
  }
  return pair;
}

// Neighbours with equal rows in both samples become one.
Pair joined(const Pair& pair) {
  Pair joined;
  for (std::size_t i = 0; i < pair.live.size(); ++i) {
    const bool equal =
        i > 0 && pair.live[i] == pair.live[i - 1] && pair.base[i] == pair.base[i - 1];
    if (equal) {
      joined.live.back() += pair.live[i];
      joined.base.back() += pair.base[i];
    } else {
      joined.live.push_back(pair.live[i]);
      joined.base.push_back(pair.base[i]);
    }
  }
  return joined;
}

const Bins& bins_of(const BinTable& table, const std::string& feature) {
  static const Bins none;
  const auto found = table.find(feature);
  return found == table.end() ? none : found->second;
}

struct Judged {
  std::vector<std::string> names;
  std::vector<Shift> shifts;
  // The one that least can be said of.
  const Shift* weakest() const {
    const auto least =
        std::min_element(shifts.begin(), shifts.end(),
                         [](const Shift& a, const Shift& b) { return a.power < b.power; });
    return least == shifts.end() ? nullptr : &*least;
  }
};

// Bins of both samples; of a reference only its own, as it has no missing values.
Judged judge_against(const InputCounts& counts, const BinTable& base, bool only_bins_of_base,
                     const ShiftRule& rule) {
  Judged judged;
  std::vector<Pair> pairs;
  std::vector<ShiftSamples> subjects;
  for (const auto& [feature, live] : counts.since) {
    const Bins& other = bins_of(base, feature);
    std::set<std::string> names;
    for (const auto& [name, rows] : other) names.insert(name);
    if (!only_bins_of_base) {
      for (const auto& [name, rows] : live) names.insert(name);
    }
    if (other.empty() || names.size() < 2) continue;
    Pair pair = pair_over(names, live, other);
    if (counts.deciles.contains(feature)) pair = joined(pair);
    if (pair.live.size() < 2) continue;
    pairs.push_back(std::move(pair));
    judged.names.push_back(feature);
  }
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto effect = counts.effects.find(judged.names[i]);
    subjects.push_back(
        {pairs[i].live, pairs[i].base,
         effect == counts.effects.end() ? detectors::DesignEffect{} : effect->second});
  }
  judged.shifts = detectors::judge_shifts(subjects, rule);
  return judged;
}

const Shift* find(const Judged& judged, const std::string& feature) {
  const auto at = std::find(judged.names.begin(), judged.names.end(), feature);
  return at == judged.names.end()
             ? nullptr
             : &judged.shifts[static_cast<std::size_t>(at - judged.names.begin())];
}

std::vector<Comparison::Input> moved_inputs(const Judged& before, const Judged& reference,
                                            const ShiftRule& rule) {
  std::vector<Comparison::Input> moved;
  for (std::size_t i = 0; i < before.names.size(); ++i) {
    if (before.shifts[i].moved) {
      moved.push_back({before.names[i], before.shifts[i].psi, Comparison::Moved::at_change});
    }
  }
  for (std::size_t i = 0; i < reference.names.size(); ++i) {
    if (!reference.shifts[i].moved) continue;
    const Shift* of_before = find(before, reference.names[i]);
    if (of_before && of_before->moved) continue;
    const bool would_show = of_before && of_before->power >= rule.power_min;
    moved.push_back({reference.names[i], reference.shifts[i].psi,
                     would_show ? Comparison::Moved::before_change : Comparison::Moved::unknown});
  }
  std::stable_sort(moved.begin(), moved.end(),
                   [](const auto& a, const auto& b) { return a.psi > b.psi; });
  return moved;
}

constexpr std::string_view by_bin = "feature, bin, reference";
constexpr std::string_view decile_references = "-deciles";  // How their `reference` ends.

// Rows between two times, summed over pods. A counter that fell began anew, one that was not there
// is new.
std::string rows_between(const std::string& selector, std::string_view by, const std::string& from,
                         const std::string& to) {
  return "sum by (job, workload, " + std::string(by) + ") ((" + selector + to + " - (" + selector +
         from + ")) >= 0 or " + selector + to + ") > 0";
}

std::string at_text(Time time) {
  char text[48];
  std::snprintf(text, sizeof text, " @ %.3f", static_cast<double>(to_unix_ms(time)) / 1000);
  return text;
}

// The reference of each feature that has most rows: after a change of references the old bins say
// nothing.
std::map<std::string, std::string> leading_references(const std::vector<InstantValue>& values) {
  std::map<std::string, std::map<std::string, double>> rows;
  for (const InstantValue& value : values) {
    rows[std::string(value.labels.get("feature"))][std::string(value.labels.get("reference"))] +=
        value.value;
  }
  std::map<std::string, std::string> leading;
  for (const auto& [feature, of] : rows) {
    leading[feature] = std::max_element(of.begin(), of.end(), [](const auto& a, const auto& b) {
                         return a.second < b.second;
                       })->first;
  }
  return leading;
}

std::vector<InstantValue> of_references(const std::vector<InstantValue>& values,
                                        const std::map<std::string, std::string>& leading) {
  std::vector<InstantValue> kept;
  for (const InstantValue& value : values) {
    const auto found = leading.find(std::string(value.labels.get("feature")));
    if (found != leading.end() && found->second == value.labels.get("reference"))
      kept.push_back(value);
  }
  return kept;
}

// Bins of the reference have a slot of what is missing; deciles have none, and the checks of
// quality count it.
void add_missing(BinTable& table, const std::vector<InstantValue>& values) {
  for (const InstantValue& one : values) {
    const auto found = table.find(std::string(one.labels.get("feature")));
    if (found == table.end() || !(one.value > 0 && one.value <= count_max)) continue;
    found->second.try_emplace("missing", static_cast<std::uint64_t>(std::llround(one.value)));
  }
}

}  // namespace

BinTable make_bins(const std::vector<InstantValue>& values) {
  BinTable table;
  for (const InstantValue& one : values) {
    const std::string feature(one.labels.get("feature")), bin(one.labels.get("bin"));
    if (feature.empty() || bin.empty() || !(one.value >= 0 && one.value <= count_max)) continue;
    if (!table.contains(feature) && table.size() >= inputs_max) continue;
    table[feature][bin] += static_cast<std::uint64_t>(std::llround(one.value));
  }
  return table;
}

BinTable make_reference(const std::vector<InstantValue>& shares,
                        const std::vector<InstantValue>& rows) {
  std::map<std::string, double> totals;
  for (const InstantValue& one : rows) {
    totals[std::string(one.labels.get("feature"))] = one.value;
  }
  std::map<std::string, double> bins;
  for (const InstantValue& one : shares) bins[std::string(one.labels.get("feature"))] += 1;
  // (c + 1/2) / (m + B/2), undone.
  std::vector<InstantValue> counts;
  for (const InstantValue& one : shares) {
    const std::string feature(one.labels.get("feature"));
    const auto total = totals.find(feature);
    if (total == totals.end()) continue;
    counts.push_back(
        {one.labels, std::max(one.value * (total->second + bins[feature] / 2) - 0.5, 0.0)});
  }
  return make_bins(counts);
}

BinTable make_deciles(const std::vector<InstantValue>& rows) {
  BinTable table;
  for (const InstantValue& one : rows) {
    const std::string feature(one.labels.get("feature"));
    if (feature.empty() || !(one.value > 0 && one.value <= count_max)) continue;
    for (char decile = '0'; decile <= '9'; ++decile)
      table[feature][{'0', decile}] = static_cast<std::uint64_t>(std::llround(one.value / 10));
  }
  return table;
}

std::optional<Comparison> compare_inputs(const InputCounts& counts, const ShiftRule& rule) {
  const Judged before = judge_against(counts, counts.before, false, rule);
  const Judged reference = judge_against(counts, counts.reference, true, rule);
  const Shift* weakest_before = before.weakest();
  const Shift* weakest_reference = reference.weakest();
  if (!weakest_before && !weakest_reference) return std::nullopt;

  Comparison comparison;
  comparison.moved = moved_inputs(before, reference, rule);
  const bool by_before =
      !weakest_reference ||
      (weakest_before && before.names.size() >= reference.names.size() &&
       weakest_before->power >= std::min(rule.power_min, weakest_reference->power));
  const Judged& decisive = by_before ? before : reference;
  const Shift& weakest = *decisive.weakest();
  comparison.base = by_before ? Comparison::Base::before : Comparison::Base::reference;
  comparison.inputs = decisive.names.size();
  comparison.rows = weakest.n;
  comparison.base_rows = weakest.m;
  comparison.rows_needed = weakest.rows_needed;
  comparison.psi = rule.psi_to_see;
  comparison.power = weakest.power;
  comparison.enough = weakest.power >= rule.power_min;
  return comparison;
}

Result<std::optional<Comparison>> compare_inputs_since(Prometheus& prometheus,
                                                       const incident::Incident& incident,
                                                       Time since) {
  const std::string model = model_matchers(incident);
  const auto ask = [&](const std::string& query) {
    return query_of(prometheus, incident, query, asked_patience);
  };
  const std::string values = "outrider_feature_values_total{" + model + "}";
  const std::string missing = "outrider_feature_quality_total{check=\"missing\"," + model + "}";
  const std::string began = at_text(since), hour_before = at_text(since - before_window);
  auto live = ask(rows_between(values, by_bin, began, ""));
  if (!live) return fail(live);
  if (live->empty()) return std::nullopt;
  auto before = ask(rows_between(values, by_bin, hour_before, began));
  if (!before) return fail(before);
  if (before->empty()) {
    // Without history the counters' whole lives would pass for the rows since the change.
    const auto history = prometheus.query("count(up" + began + ")");
    if (!history) return fail(history);
    if (history->empty()) {
      return fail("no_history", "Prometheus has no samples from before the change");
    }
  }
  const auto shares = ask(
      "max by (job, workload, feature, bin, reference) (outrider_reference_ratio{" + model + "})");
  const auto rows =
      ask("max by (job, workload, feature, reference) (outrider_reference_rows{" + model + "})");
  const auto effects =
      ask("max by (job, workload, subject) (outrider_drift_design_effect{" + model + "})");
  const auto missing_since = ask(rows_between(missing, "feature", began, ""));
  const auto missing_before = ask(rows_between(missing, "feature", hour_before, began));

  // What could not be learnt of the reference, of missing values or of the design effect narrows
  // the answer.
  const auto leading = leading_references(*live);
  InputCounts counts{.since = make_bins(of_references(*live, leading)),
                     .before = make_bins(of_references(*before, leading))};
  for (const auto& [feature, reference] : leading) {
    if (reference.ends_with(decile_references)) counts.deciles.insert(feature);
  }
  if (rows) {
    const auto rows_now = of_references(*rows, leading);
    if (shares) counts.reference = make_reference(of_references(*shares, leading), rows_now);
    for (auto& [feature, bins] : make_deciles(rows_now)) {
      if (counts.deciles.contains(feature)) counts.reference[feature] = bins;
    }
  }
  if (missing_since && missing_before) {
    add_missing(counts.since, *missing_since);
    add_missing(counts.before, *missing_before);
  }
  if (effects) {
    for (const InstantValue& one : *effects) {
      if (std::isfinite(one.value) && one.value >= 1)
        counts.effects[std::string(one.labels.get("subject"))] = {one.value, one.value};
    }
  }
  return compare_inputs(counts);
}

}  // namespace outrider::query
