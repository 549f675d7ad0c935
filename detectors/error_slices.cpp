// SPDX-License-Identifier: Apache-2.0
#include "detectors/error_slices.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>

namespace outrider::detectors {
namespace {

constexpr double prior_rows_min = 10, prior_rows_max = 200;
constexpr double shuffles_per_alpha = 50;
constexpr double shuffles_min = 999, shuffles_max = 19'999;
constexpr std::size_t ranked_max = 10;
constexpr double z_interval = 1.959964;
// "Unchanged" is said where a change of so much would have shown.
constexpr double unchanged_within = 0.03;

double smoothed(const ErrorCount& count) {
  return (static_cast<double>(count.wrong) + 0.5) / (static_cast<double>(count.rows) + 1);
}

// What became of a rate where the rest went from r0 to r1, and how fast it goes with that rate.
struct Expected {
  double rate, slope;
};

Expected expected_since(double rate, double r0, double r1) {
  if (r1 <= r0) return {rate, 1};
  const double ratio = r1 / r0;
  if (rate > r0) return {std::min(1.0, rate * ratio), ratio};
  return {rate + r1 - r0, 1};
}

double bernoulli_variance(double rate, std::uint64_t rows) {
  return rate * (1 - rate) / static_cast<double>(rows);
}

// log(n!) for all n up to the largest.
class LogFactorials {
 public:
  explicit LogFactorials(std::uint64_t largest) : values_(largest + 1) {
    for (std::size_t n = 1; n < values_.size(); ++n)
      values_[n] = values_[n - 1] + std::log(static_cast<double>(n));
  }
  double choose(std::uint64_t n, std::uint64_t k) const {
    return values_[n] - values_[k] - values_[n - k];
  }

 private:
  std::vector<double> values_;
};

// How many of `drawn` rows are wrong where `wrong` of `rows` are: the hypergeometric distribution's
// inverse, summed from the mode outwards, about as many steps as its standard deviation.
std::uint64_t draw_wrong(std::mt19937_64& random, const LogFactorials& logs, std::uint64_t rows,
                         std::uint64_t wrong, std::uint64_t drawn) {
  const std::uint64_t right = rows - wrong;
  const std::uint64_t low = drawn > right ? drawn - right : 0;
  const std::uint64_t high = std::min(drawn, wrong);
  if (low == high) return low;
  const double middle = (static_cast<double>(drawn) + 1) * (static_cast<double>(wrong) + 1) /
                        (static_cast<double>(rows) + 2);
  const std::uint64_t mode = std::clamp(static_cast<std::uint64_t>(middle), low, high);
  const double at_mode = std::exp(logs.choose(wrong, mode) + logs.choose(right, drawn - mode) -
                                  logs.choose(rows, drawn));
  double left = std::ldexp(static_cast<double>(random() >> 11), -53) - at_mode;
  std::uint64_t down = mode, up = mode;
  double p_down = at_mode, p_up = at_mode;
  while (left > 0 && (down > low || up < high)) {
    if (up < high) {
      p_up *= static_cast<double>(wrong - up) * static_cast<double>(drawn - up) /
              (static_cast<double>(up + 1) * static_cast<double>(right + up + 1 - drawn));
      ++up;
      if ((left -= p_up) <= 0) return up;
    }
    if (down > low) {
      p_down *= static_cast<double>(down) * static_cast<double>(right + down - drawn) /
                (static_cast<double>(wrong - down + 1) * static_cast<double>(drawn - down + 1));
      --down;
      if ((left -= p_down) <= 0) return down;
    }
  }
  return mode;  // Of the last digits' rounding.
}

ErrorChange sum_of(const std::vector<ErrorChange>& slices) {
  ErrorChange sum;
  for (const ErrorChange& slice : slices) sum.add(slice);
  return sum;
}

bool has_rows(const ErrorChange& change, std::uint64_t rows) {
  return change.before.rows >= rows && change.since.rows >= rows;
}

// The slices of one feature that have enough rows, and what all its slices have together.
struct Tested {
  const std::vector<ErrorChange>* counts;
  ErrorChange total;
  std::vector<std::size_t> slices;
};

// Writes the wrong rows of one side, drawn anew. The rows in no slice of the feature are not in
// `total`.
void shuffle_side(std::mt19937_64& random, const LogFactorials& logs, ErrorCount total,
                  ErrorCount ErrorChange::*side, std::vector<ErrorChange>& counts) {
  for (ErrorChange& slice : counts) {
    ErrorCount& count = slice.*side;
    count.wrong = draw_wrong(random, logs, total.rows, total.wrong, count.rows);
    total = total - count;
  }
}

// The largest score of each shuffle.
std::vector<double> largest_scores(const std::vector<Tested>& tested, const SliceRule& rule) {
  std::uint64_t largest = 0;
  for (const Tested& feature : tested)
    largest = std::max({largest, feature.total.before.rows, feature.total.since.rows});
  const LogFactorials logs(largest);
  std::mt19937_64 random(1);
  const double wanted = shuffles_per_alpha / std::max(rule.alpha, 1e-9);
  std::vector<double> scores(
      static_cast<std::size_t>(std::clamp(wanted, shuffles_min, shuffles_max)));
  std::vector<ErrorChange> counts;
  for (double& score : scores) {
    score = -HUGE_VAL;
    for (const Tested& feature : tested) {
      counts = *feature.counts;
      shuffle_side(random, logs, feature.total.before, &ErrorChange::before, counts);
      shuffle_side(random, logs, feature.total.since, &ErrorChange::since, counts);
      const double prior = prior_rows(counts);
      for (const std::size_t slice : feature.slices)  // Shuffled rows hang together no more.
        score =
            std::max(score, slice_score(counts[slice], feature.total - counts[slice], prior, 1));
    }
  }
  std::sort(scores.begin(), scores.end());
  return scores;
}

// Price and Bonett's: half an error and half a right row more in each of four groups.
void set_interval(ErrorSlice& slice, double design_effect) {
  const ErrorCount &before = slice.change.before, &since = slice.change.since;
  const ErrorChange& rest = slice.rest;
  double variance = 0;
  for (const ErrorCount* count : {&before, &since, &rest.before, &rest.since})
    variance += bernoulli_variance(smoothed(*count), count->rows + 1);
  const double middle =
      smoothed(since) - smoothed(before) - smoothed(rest.since) + smoothed(rest.before);
  const double half = z_interval * std::sqrt(variance * design_effect);
  slice.lift = since.rate() - before.rate() - rest.since.rate() + rest.before.rate();
  slice.low = std::min(middle - half, slice.lift);
  slice.high = std::max(middle + half, slice.lift);
}

std::string percent(double share, int decimals) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f %%", decimals, 100 * share);
  return text;
}

// "96 % -> 41 % of 212".
std::string accuracies(const ErrorChange& change) {
  const double before = 1 - change.before.rate(), since = 1 - change.since.rate();
  const int decimals = percent(before, 0) == percent(since, 0) && before != since ? 1 : 0;
  return percent(before, decimals) + " -> " + percent(since, decimals) + " of " +
         std::to_string(change.since.rows);
}

std::string describe(const ErrorSlice& slice, double design_effect) {
  const double moved = slice.rest.since.rate() - slice.rest.before.rate();
  const double half =
      z_interval *
      std::sqrt(design_effect *
                (bernoulli_variance(smoothed(slice.rest.before), slice.rest.before.rows) +
                 bernoulli_variance(smoothed(slice.rest.since), slice.rest.since.rows)));
  const bool unchanged = std::abs(moved) <= half && std::abs(moved) + half <= unchanged_within;
  const std::string name =
      slice.feature.empty() ? slice.slice : slice.feature + " = " + slice.slice;
  std::string text = "accuracy fell ";
  text += unchanged ? "only for " : moved > half ? "most for " : "for ";
  text += name + ", " + accuracies(slice.change) + "; elsewhere ";
  return text + (unchanged ? "unchanged" : accuracies(slice.rest));
}

std::string rows_of(std::uint64_t rows, std::uint64_t wanted) {
  return std::to_string(rows) + " of " + std::to_string(wanted) + " rows";
}

}  // namespace

std::string_view to_string(SliceVerdict verdict) {
  switch (verdict) {
    case SliceVerdict::slices:
      return "slices";
    case SliceVerdict::nothing_stands_out:
      return "nothing_stands_out";
    case SliceVerdict::too_few_rows:
      break;
  }
  return "too_few_rows";
}

double prior_rows(std::span<const ErrorChange> slices) {
  ErrorCount all;
  double squares = 0, count = 0;
  for (const ErrorChange& slice : slices) {
    all.add(slice.before);
    squares += static_cast<double>(slice.before.rows) * static_cast<double>(slice.before.rows);
    count += slice.before.rows > 0 ? 1 : 0;
  }
  const double rate = smoothed(all), variance = rate * (1 - rate);
  double chi_square = 0;
  for (const ErrorChange& slice : slices) {
    const auto rows = static_cast<double>(slice.before.rows);
    const double off = static_cast<double>(slice.before.wrong) - rows * rate;
    if (rows > 0) chi_square += off * off / (rows * variance);
  }
  // Its expectation is count - 1 plus the slices' variance, in units of `variance`, times `weight`.
  const double weight = static_cast<double>(all.rows) - squares / static_cast<double>(all.rows);
  const double excess = chi_square - (count - 1);
  return excess * prior_rows_max > weight ? std::max(prior_rows_min, weight / excess)
                                          : prior_rows_max;
}

double slice_score(const ErrorChange& slice, const ErrorChange& rest, double prior_rows,
                   double design_effect) {
  const double r0 = smoothed(rest.before), r1 = smoothed(rest.since);
  const double rows = static_cast<double>(slice.before.rows) + prior_rows;
  const double p0 = (static_cast<double>(slice.before.wrong) + prior_rows * r0) / rows;
  const Expected p1 = expected_since(p0, r0, r1);
  const double variance =
      p1.slope * p1.slope * p0 * (1 - p0) / rows + bernoulli_variance(p1.rate, slice.since.rows) +
      bernoulli_variance(r0, rest.before.rows) + bernoulli_variance(r1, rest.since.rows);
  return (slice.since.rate() - p1.rate) / std::sqrt(variance * std::max(1.0, design_effect));
}

ErrorSlices::ErrorSlices(std::vector<SliceFeature> features) : features_(std::move(features)) {
  for (const SliceFeature& feature : features_) counts_.emplace_back(feature.slices.size());
}

void ErrorSlices::add(std::span<const std::size_t> slices, bool wrong, bool since) {
  const auto count = [&](ErrorChange& change) {
    ErrorCount& side = since ? change.since : change.before;
    ++side.rows;
    side.wrong += wrong ? 1 : 0;
  };
  count(all_);
  for (std::size_t i = 0; i < counts_.size() && i < slices.size(); ++i) {
    if (slices[i] < counts_[i].size()) count(counts_[i][slices[i]]);
  }
}

ErrorSlices::ErrorSlices(std::vector<SliceFeature> features,
                         std::vector<std::vector<ErrorChange>> counts, const ErrorChange& all)
    : features_(std::move(features)), counts_(std::move(counts)), all_(all) {}

bool ErrorSlices::merge(const ErrorSlices& other) {
  if (features_.size() != other.features_.size()) return false;
  for (std::size_t f = 0; f < features_.size(); ++f) {
    const SliceFeature &mine = features_[f], &its = other.features_[f];
    if (mine.name != its.name || (!mine.name.empty() && mine.slices != its.slices)) return false;
  }
  all_.add(other.all_);
  for (std::size_t f = 0; f < features_.size(); ++f) {
    SliceFeature& mine = features_[f];
    for (std::size_t s = 0; s < other.counts_[f].size(); ++s) {
      std::size_t place = s;
      if (mine.name.empty()) {
        const std::string& text = other.features_[f].slices[s];
        const auto found = std::find(mine.slices.begin(), mine.slices.end(), text);
        place = static_cast<std::size_t>(found - mine.slices.begin());
        if (found == mine.slices.end()) {
          mine.slices.push_back(text);
          counts_[f].emplace_back();
        }
      }
      counts_[f][place].add(other.counts_[f][s]);
    }
  }
  return true;
}

SliceReport ErrorSlices::judge(const SliceRule& rule) const {
  SliceReport report;
  report.all = all_;
  for (const auto& [name, rows] :
       {std::pair{"before", all_.before.rows}, {"since", all_.since.rows}}) {
    if (rows >= rule.rows_min) continue;
    report.sentence += report.sentence.empty() ? "too few rows: " : ", and ";
    report.sentence += rows_of(rows, rule.rows_min) + " " + name + " the change";
  }
  if (!report.sentence.empty()) return report;

  std::vector<Tested> tested;
  std::vector<ErrorSlice> found;
  for (std::size_t f = 0; f < counts_.size(); ++f) {
    Tested feature{&counts_[f], sum_of(counts_[f]), {}};
    const double prior = prior_rows(counts_[f]);
    for (std::size_t s = 0; s < counts_[f].size(); ++s) {
      const ErrorChange& slice = counts_[f][s];
      const ErrorChange rest = feature.total - slice;
      if (!has_rows(slice, rule.slice_rows_min) || !has_rows(rest, rule.slice_rows_min)) continue;
      feature.slices.push_back(s);
      found.push_back({.feature = features_[f].name,
                       .slice = features_[f].slices[s],
                       .change = slice,
                       .rest = rest,
                       .score = slice_score(slice, rest, prior, rule.design_effect)});
    }
    if (!feature.slices.empty()) tested.push_back(std::move(feature));
  }
  report.tested = found.size();
  if (found.empty()) {
    report.sentence = "too few rows: no slice has " + std::to_string(rule.slice_rows_min) +
                      " rows before and since the change, and as many elsewhere";
    return report;
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.score > b.score; });
  found.resize(std::min(found.size(), ranked_max));
  const std::vector<double> scores = largest_scores(tested, rule);
  for (ErrorSlice& slice : found) {
    const auto as_high = scores.end() - std::lower_bound(scores.begin(), scores.end(), slice.score);
    slice.p = static_cast<double>(as_high + 1) / static_cast<double>(scores.size() + 1);
    set_interval(slice, std::max(1.0, rule.design_effect));
    if (slice.p <= rule.alpha) ++report.named;
  }
  report.ranked = std::move(found);
  report.verdict = report.named > 0 ? SliceVerdict::slices : SliceVerdict::nothing_stands_out;
  report.sentence = report.named > 0
                        ? describe(report.ranked.front(), std::max(1.0, rule.design_effect))
                        : "nothing stands out of " + std::to_string(report.tested) + " slices";
  return report;
}

}  // namespace outrider::detectors
