// SPDX-License-Identifier: Apache-2.0
#pragma once

// Classic histograms under watch: the buckets of one histogram come as series of their own, in any
// order and in several requests; their counts of one time make quantiles, which are scored. PURE;
// not thread-safe.
//
// The quantiles of a scrape are known once the next one begins to come in, so they are scored one
// scrape late. They are of what was counted between two scrapes, interpolated within a bucket as
// PromQL's histogram_quantile does; nothing counted, a reset, or a scrape of which not every bucket
// came in, makes no sample: the next whole one counts from the last whole one.
//
// Limits: histograms (bind refuses, counted by the caller), buckets_max a histogram (samples of
// others are left out, counted).
// O(buckets) a scrape.

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/series/finding.h"
#include "agent/series/restored_states.h"
#include "base/core/label_view.h"

namespace outrider::series {

class QuantileBoard {
 public:
  static constexpr std::size_t buckets_max = 128;

  QuantileBoard(std::vector<double> quantiles, std::size_t histograms_max)
      : quantiles_(std::move(quantiles)),
        histograms_max_(histograms_max),
        restored_(histograms_max * quantiles_.size()) {}

  // Of the labels but `le`: the same in every run, and for every bucket of a histogram.
  static std::uint64_t hash_of(std::span<const LabelView> labels);

  // The histogram that a bucket series belongs to: known by its labels but `le`. Nothing when there
  // is no room for another.
  std::optional<std::uint32_t> bind(std::span<const LabelView> labels);
  void release(std::uint32_t histogram);  // One of its bucket series is gone.

  void take(std::uint32_t histogram, double bound, const Sample& sample, const WatchTerms& terms,
            Findings& findings);
  void tick(std::int64_t now_ms, const WatchTerms& terms, Findings& findings);

  std::size_t histograms() const { return by_key_.size(); }
  std::size_t watched() const { return by_key_.size() * quantiles_.size(); }
  std::uint64_t left_out() const { return left_out_; }  // Samples of buckets past buckets_max.

  // The states of `count` histograms from the `first` on, after their number.
  std::size_t pool_size() const { return histograms_.size(); }
  void save(std::size_t first, std::size_t count, detectors::SnapshotWriter& out) const;
  // What a snapshot kept of quantiles whose histograms were not seen since; `high` of their
  // fingerprint is hash_of().
  RestoredStates& restored() { return restored_; }

 private:
  struct Bucket {
    double bound = 0;
    double count = 0;
    double count_before = 0;
    std::int64_t at_ms = 0;
  };
  struct Histogram {
    std::string key;
    Labels labels;
    std::uint32_t series = 0;  // Bound to it.
    std::int64_t at_ms = 0;
    bool has_before = false;
    std::vector<Bucket> buckets;  // By bound.
    std::vector<Watched> watched;
  };

  Finding end_of(const Histogram& histogram, std::size_t quantile) const;
  void complete(Histogram& histogram, const WatchTerms& terms, Findings& findings);

  std::vector<double> quantiles_;
  std::size_t histograms_max_;
  std::unordered_map<std::string, std::uint32_t> by_key_;
  std::vector<Histogram> histograms_;
  std::vector<std::uint32_t> free_;
  std::vector<Finding> ended_;  // With their histogram, since the last tick.
  RestoredStates restored_;
  std::uint64_t left_out_ = 0;
};

// PURE. The q-quantile of what buckets counted: {upper bound, count up to it}, ascending, the last
// bound +Inf. Nothing when nothing was counted, there is no +Inf, or a count is below the one
// before.
struct CumulativeBucket {
  double bound = 0;
  double count = 0;
};
std::optional<double> histogram_quantile(double q, std::span<const CumulativeBucket> buckets);

// "p50", "p99.9".
std::string quantile_name(double q);

// Tells findings of what one watched quantity saw. Labels are asked for only when there is one.
template <class LabelsOf>
void note(const Observed& seen, const Watched& watched, std::string_view quantity,
          std::int64_t timestamp_ms, const WatchTerms& terms, LabelsOf labels_of,
          Findings& findings) {
  constexpr double least = 1.0 / detectors::SeriesScorer::steps_max;
  ++findings.scored;
  if (seen.score.score >= least) findings.scores.push_back(seen.score.score);
  if (seen.news == News::none && seen.score.score < terms.told_from) return;
  findings.list.push_back({watched.fingerprint(), labels_of(), std::string(quantity), timestamp_ms,
                           seen, watched.episode_ms()});
}

}  // namespace outrider::series
