// SPDX-License-Identifier: Apache-2.0
#pragma once

// Why is the model wrong? The slices of the inputs in which the error rate rose since a change by
// more than it rose elsewhere. PURE, not thread-safe.
//
// Idea. A slice is one predeclared value range of one feature: a tenth of the reference, a
//   category, a segment. For each slice, four counts: rows and wrong rows, before and since the
//   change. Its lift is a difference of differences, (e1 - e0) - (r1 - r0): how much its error rate
//   rose, less what it rose in all other rows. Lifts are compared as scores,
//       z = (e1 - expected) / sqrt(variance under the null)
//   p0, the slice's rate before, is mixed with that of the rest, r0, as that of prior_rows() more
//   rows: many where the slices of the feature hardly differed before, few where they did
//   (empirical Bayes). `expected` is the larger of p0, p0 + (r1 - r0) and p0 r1/r0: a fall for
//   everybody, whether it adds the same errors or multiplies them, is no slice's.
// What is exchangeable. Under the null a change for everybody may exist, and so may a change of the
//   mix. So before and since are not shuffled. What is shuffled is which rows are wrong, within
//   before and within since: both totals and the sizes of all slices stay as they are. Where a
//   slice always had more errors than others its rows are not exchangeable, but its score is
//   standardised by its own rate, so it has nearly the distribution of the others' (studentised
//   permutation, Chung & Romano 2013).
// All slices at once. The adjusted p of a slice is the share of shuffles whose largest score, over
//   all slices of all features, is at least its own (maxT, Westfall & Young 1993): that one slice
//   or more is named without cause has at most the probability `alpha`. A shuffle draws each
//   feature's counts from the multivariate hypergeometric distribution, by itself: as if features
//   were independent, which errs to the safe side by Boole's inequality, within 2 % of it at this
//   alpha.
// Looks. Who looks again while rows come in gives judge() the share of `alpha` that this look may
//   spend (detectors/pane_looks.h, doubled: there is no end of a pane to save for).
// Parameters. alpha = 2.5 %, 10 to 200 prior rows, 30 rows a slice and side, 100 rows a side:
//   chosen by `scripts/bench slices` (docs/measurements/slices.md). A design effect above 1 widens
//   the variances by it.
// Cost. add(): O(features). judge(): O(shuffles x slices), 50/alpha shuffles, 999 to 19 999, fixed
//   seed. Memory: four counts a slice; no row is kept.
// Example. Slice: 5 of 100 wrong before, 25 of 100 since; rest 45 of 900 and 45 of 900; 100 prior
//   rows. Lift 20 points. r0 = r1 = 45.5/901 = .0505; p0 = (5 + 100 x .0505)/200 = .0502, expected
//   since too; variance .0502 x .9498 (1/200 + 1/100) + .0505 x .9495 x 2/900 = .000822; z =
//   .1998/.02867 = 6.97.
// Fails. Where rates always differed much between slices, any is named in up to 9 % of runs, not
//   2.5 %. Slices of two features together are seen only by their margins. One-sided: a slice that
//   got better, or stayed while all others fell, is not named. Errors that come in bursts need the
//   design effect. Labels that arrive selectively void the comparison. More than `since` one
//   chooses after looking at the rows, each try is another test, and `alpha` holds for each alone.
// Source. Difference of differences and its interval: Price & Bonett, "An improved confidence
//   interval for a linear function of binomial proportions", 2004. Slices: Chung et al., "Slice
//   Finder", ICDE 2019, which asks where a model is bad; here the question is where it became so.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace outrider::detectors {

struct SliceRule {
  double alpha = 0.025;          // The probability that any is named without cause, by this look.
  std::uint64_t rows_min = 100;  // A side.
  std::uint64_t slice_rows_min = 30;  // Of a slice and of its rest, a side.
  double design_effect = 1;           // Rows that say as much as one.
};

struct SliceFeature {
  std::string name;                 // "": the slices' texts say all, as "country=DE" does.
  std::vector<std::string> slices;  // "park", "(1.5, 2]", "missing".
};

struct ErrorCount {
  std::uint64_t rows = 0, wrong = 0;
  double rate() const {
    return rows == 0 ? 0 : static_cast<double>(wrong) / static_cast<double>(rows);
  }
  ErrorCount operator-(const ErrorCount& other) const {
    return {rows - other.rows, wrong - other.wrong};
  }
  void add(const ErrorCount& other) { rows += other.rows, wrong += other.wrong; }
  bool operator==(const ErrorCount&) const = default;
};

struct ErrorChange {
  ErrorCount before, since;
  void add(const ErrorChange& other) { before.add(other.before), since.add(other.since); }
  ErrorChange operator-(const ErrorChange& other) const {
    return {before - other.before, since - other.since};
  }
};

// The score z above. All four row counts are positive.
double slice_score(const ErrorChange& slice, const ErrorChange& rest, double prior_rows,
                   double design_effect = 1);
// How many rows of the rest a slice's own rate before is mixed with, from all slices of a feature.
double prior_rows(std::span<const ErrorChange> slices);

enum class SliceVerdict : std::uint8_t { slices, nothing_stands_out, too_few_rows };
std::string_view to_string(SliceVerdict verdict);

struct ErrorSlice {
  std::string feature, slice;
  ErrorChange change, rest;
  double lift = 0;           // (e1 - e0) - (r1 - r0), as counted.
  double low = 0, high = 0;  // Its interval, 95 %, of this slice alone.
  double score = 0;
  double p = 1;  // Adjusted for all slices.
};

struct SliceReport {
  SliceVerdict verdict = SliceVerdict::too_few_rows;
  ErrorChange all;
  std::size_t tested = 0;          // Slices with enough rows.
  std::vector<ErrorSlice> ranked;  // The best scores, at most 10; `named` come first.
  std::size_t named = 0;           // How many of them have p <= alpha.
  std::string sentence;
};

class ErrorSlices {
 public:
  static constexpr std::size_t none = SIZE_MAX;  // A row that is in no slice of a feature.

  explicit ErrorSlices(std::vector<SliceFeature> features);
  // Counted elsewhere: `counts` by feature and slice. Their sizes agree.
  ErrorSlices(std::vector<SliceFeature> features, std::vector<std::vector<ErrorChange>> counts,
              const ErrorChange& all);

  // One joined row: its slice of each feature, or `none`.
  void add(std::span<const std::size_t> slices, bool wrong, bool since);

  // The counts of other rows, of another pod say, are added to these; exact. False, and nothing
  // changes: other features or slices. Of the feature "" each may have slices of its own, by their
  // texts.
  bool merge(const ErrorSlices& other);

  const ErrorChange& all() const { return all_; }
  const std::vector<SliceFeature>& features() const { return features_; }
  const std::vector<std::vector<ErrorChange>>& counts() const { return counts_; }
  // A slice whose text was not known beforehand.
  void name_slice(std::size_t feature, std::size_t slice, std::string text) {
    features_[feature].slices[slice] = std::move(text);
  }

  SliceReport judge(const SliceRule& rule = {}) const;

 private:
  std::vector<SliceFeature> features_;
  std::vector<std::vector<ErrorChange>> counts_;  // By feature and slice.
  ErrorChange all_;
};

}  // namespace outrider::detectors
