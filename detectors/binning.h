// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reference bins: a feature's distribution as counts over bins whose edges are the reference's
// quantiles.
//
// Idea. Freeze the edges at training time; then a live distribution is a handful of counts, and
//   counts add up over time (panes), over pods (PromQL's sum) and over restarts, exactly. Every
//   distance of detectors/ is a function of two such count vectors.
// Parameters. 20 bins, at most 32; at most 31 categories, 4 096 rarer names known to be `other`.
// Slots.
//   numeric:     value bins 0..B-1, then missing, nan, neg_inf, pos_inf
//   categorical: the K <= 31 most frequent values, then other, then missing
//   The value bins are those that distances use (categorical: with `other`).
// Edges. B-1 inner edges, strictly increasing and finite: bin i holds edge[i-1] < x <= edge[i],
//   so the counts up to bin i are exactly the empirical distribution function at edge[i]. Bins 0
//   and B-1 are open; what reaches beyond the first and the last edge is also summed (TailSums),
//   which is what Wasserstein needs.
// Cost. A branchless search over at most 31 edges padded to 32, <= 10 ns a value (search.h).
//   Memory: counts only.
// Example. edges {1, 2, 4}: 0.5 -> 0, 1 -> 0, 1.5 -> 1, 4 -> 2, 5 -> 3, NaN -> slot 5.
// Fails. Blind to what moves inside one bin; more than 31 categories share `other`.
// Source. Quantile bins for PSI: Siddiqi, Credit Risk Scorecards, 2006.
//
// Immutable after construction, so safe to share between threads.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/core/result.h"
#include "detectors/search.h"
#include "detectors/value.h"

namespace outrider::detectors {

enum class FeatureKind : std::uint8_t { numeric, categorical };
std::string_view to_string(FeatureKind kind);

inline constexpr std::size_t default_bins = 20;
inline constexpr std::size_t value_bins_max =
    search_width;  // numeric bins, or 31 categories and `other`
inline constexpr std::size_t categories_max = value_bins_max - 1;
inline constexpr std::size_t rare_categories_max =
    4096;  // names known to be `other`, so that new ones are told apart
inline constexpr std::size_t category_bytes_max = 256;  // a longer text counts as `other`
inline constexpr std::size_t slots_max = value_bins_max + 4;

// What lies outside of the outer edges, and moments. Of finite values only.
struct TailSums {
  double below = 0;        // sum of (first edge - x) over x below it
  double above = 0;        // sum of (x - last edge) over x above it
  double sum = 0;          // sum of x
  double sum_squares = 0;  // sum of x^2

  void add(const TailSums& other) {
    below += other.below;
    above += other.above;
    sum += other.sum;
    sum_squares += other.sum_squares;
  }
  bool operator==(const TailSums&) const = default;
};

// What a value said about data quality; more than one can hold.
struct SlotOutcome {
  std::uint8_t slot = 0;
  bool counted = true;      // false: a wrong type, which has no slot
  bool missing = false;     // absent, null, or not a number
  bool wrong_type = false;  // text where the reference has numbers
  bool unseen = false;      // a category that the reference never had
};

class Binning {
 public:
  // Errors: "bad_edges" (not strictly increasing, not finite, more than 31).
  static Result<Binning> numeric(std::vector<double> edges);
  // `rare` are further values the reference has seen, counted as `other` but not as unseen;
  // `rare_complete` false: there were too many to keep, so nothing is called unseen.
  // Errors: "bad_categories" (more than 31, a duplicate, too long).
  static Result<Binning> categorical(std::vector<std::string> categories,
                                     std::vector<std::string> rare = {}, bool rare_complete = true);

  // At most `bins` bins from a sample: the quantiles, duplicates
  // removed. With few distinct values (<= bins - 2) each has a bin of its own, with an empty bin on
  // either side, so that a constant that changes is seen. `sorted` ascending and finite; not empty.
  static Binning from_sorted_sample(std::span<const double> sorted,
                                    std::size_t bins = default_bins);

  FeatureKind kind() const { return kind_; }
  std::size_t value_bins() const { return value_bins_; }
  std::size_t slots() const { return value_bins_ + (kind_ == FeatureKind::numeric ? 4 : 1); }
  std::span<const double> edges() const { return {padded_edges_.numbers.data(), value_bins_ - 1}; }
  const std::vector<std::string>& categories() const { return categories_; }
  const std::vector<std::string>& rare() const { return rare_; }
  bool rare_complete() const { return rare_complete_; }
  std::size_t missing_slot() const { return value_bins_; }

  // The `bin` label: "00".."31", "other", "missing", "nan", "neg_inf", "pos_inf".
  std::string bin_name(std::size_t slot) const;
  // For people: "(1.5, 2]", "blue", "other".
  std::string bin_title(std::size_t slot) const;

  // The slot of a number; numeric bins only. Branchless for finite numbers.
  std::size_t slot_of(double x) const {
    if (x - x == 0) return count_below(padded_edges_, x);
    return value_bins_ + (x != x ? 1 : x < 0 ? 2 : 3);
  }
  // The slot of any value, with what it says about quality. A category that came as a number is
  // looked up by that number; a boolean, in any spelling, also as 1 or 0, and is 1 or 0 where the
  // bins are numeric. So True, true and 1 are one value, whatever spelling the reference has.
  SlotOutcome classify(const Value& value) const;

  // x's share of the tails; numeric, finite only.
  TailSums tails_of(double x) const {
    const double low = first_edge_ - x;
    const double high = x - last_edge_;
    return {std::max(low, 0.0), std::max(high, 0.0), x, x * x};
  }

  bool operator==(const Binning& other) const;

 private:
  Binning() = default;
  std::optional<std::uint8_t> find_category(std::string_view text) const;
  std::optional<std::uint8_t> find_boolean(std::string_view text) const;

  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };

  FeatureKind kind_ = FeatureKind::numeric;
  std::size_t value_bins_ = 1;
  double first_edge_ = 0;
  double last_edge_ = 0;
  SearchTable padded_edges_;
  std::vector<std::string> categories_;
  std::vector<std::string> rare_;
  bool rare_complete_ = true;
  std::unordered_map<std::string, std::uint8_t, TextHash, std::equal_to<>> slot_by_text_;
  std::unordered_map<double, std::uint8_t> slot_by_number_;
};

// Counts of one subject over some span of time, or of the reference itself. Merge = addition,
// exactly (tails to rounding).
struct BinCounts {
  std::vector<std::uint64_t> counts;  // one a slot
  TailSums tails;

  std::uint64_t total() const;                                     // all slots
  std::span<const std::uint64_t> values(const Binning& b) const {  // the value bins only
    return std::span(counts).first(b.value_bins());
  }
  void add(const BinCounts& other);
  // Counts one value; the outcome is classify()'s.
  SlotOutcome observe(const Binning& binning, const Value& value);
  bool operator==(const BinCounts&) const = default;
};

// A feature (or the prediction, or a PCA score) as the reference has it: its bins and its own
// counts.
struct FrozenSubject {
  std::string name;
  std::string
      hash;  // 12 hexadecimal digits over kind, edges, categories and counts: the `reference` label
  Binning bins;
  BinCounts counts;
  double low =
      0;  // the range seen in training (numeric); outside of it is the quality check `range`
  double high = 0;
  double mean = 0;
  double deviation = 0;  // standard deviation, n in the denominator (as NumPy's)

  FrozenSubject(std::string name_, Binning bins_) : name(std::move(name_)), bins(std::move(bins_)) {
    counts.counts.resize(bins.slots());
  }
  // Share of a value bin among the value bins, smoothed by one half, as outrider_reference_ratio.
  double ratio(std::size_t value_bin) const;
};

}  // namespace outrider::detectors
