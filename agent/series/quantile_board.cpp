// SPDX-License-Identifier: Apache-2.0
#include "agent/series/quantile_board.h"

#include <algorithm>
#include <cmath>

#include "base/core/text.h"

namespace outrider::series {
namespace {

// FNV-1a, 64 bits, from two starts: keys of what is kept on disk.
std::uint64_t fnv(std::string_view text, std::uint64_t hash) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}
std::uint64_t hash_key(std::string_view key) {
  return fnv(key, 0x84222325cbf29ce4);
}
Fingerprint fingerprint_of(const std::string& key, double quantile) {
  return {fnv(key + format_double(quantile), 0xcbf29ce484222325), hash_key(key)};
}

// Lengths, so that no value can imitate another label set.
std::string key_of(std::span<const LabelView> labels) {
  std::string key;
  for (const LabelView& label : labels) {
    if (label.name == "le") continue;
    key += std::to_string(label.name.size()) + ":" + std::string(label.name) +
           std::to_string(label.value.size()) + ":" + std::string(label.value);
  }
  return key;
}

}  // namespace

std::uint64_t QuantileBoard::hash_of(std::span<const LabelView> labels) {
  return hash_key(key_of(labels));
}

std::string quantile_name(double q) {
  return "p" + format_double(std::round(q * 1e6) / 1e4);
}

std::optional<double> histogram_quantile(double q, std::span<const CumulativeBucket> buckets) {
  if (buckets.size() < 2 || !std::isinf(buckets.back().bound)) return std::nullopt;
  double before = 0;
  for (const CumulativeBucket& bucket : buckets) {
    if (bucket.count < before) return std::nullopt;
    before = bucket.count;
  }
  const double total = buckets.back().count;
  if (!(total > 0)) return std::nullopt;
  const double rank = q * total;
  const auto found = std::find_if(buckets.begin(), buckets.end(),
                                  [&](const CumulativeBucket& b) { return b.count >= rank; });
  // Above the last finite bound nothing is known but that; below the first, zero is the floor.
  if (found == buckets.end() - 1) return (found - 1)->bound;
  const bool first = found == buckets.begin();
  if (first && found->bound <= 0) return found->bound;
  const double low = first ? 0 : (found - 1)->bound;
  const double below = first ? 0 : (found - 1)->count;
  const double within = found->count - below;
  return within > 0 ? low + (found->bound - low) * (rank - below) / within : found->bound;
}

std::optional<std::uint32_t> QuantileBoard::bind(std::span<const LabelView> labels) {
  std::string key = key_of(labels);
  if (const auto known = by_key_.find(key); known != by_key_.end()) {
    ++histograms_[known->second].series;
    return known->second;
  }
  if (by_key_.size() >= histograms_max_) return std::nullopt;
  std::uint32_t index = 0;
  if (free_.empty()) {
    index = static_cast<std::uint32_t>(histograms_.size());
    histograms_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  Histogram histogram;
  histogram.key = key;
  histogram.series = 1;
  for (const LabelView& label : labels) {
    if (label.name != "le") histogram.labels.set(label.name, label.value);
  }
  for (const double q : quantiles_) {
    histogram.watched.push_back(restored_.claim(fingerprint_of(key, q), As::gauge));
  }
  histograms_[index] = std::move(histogram);
  by_key_.emplace(std::move(key), index);
  return index;
}

void QuantileBoard::release(std::uint32_t index) {
  Histogram& histogram = histograms_[index];
  if (--histogram.series > 0) return;
  for (std::size_t i = 0; i < quantiles_.size(); ++i) {
    if (histogram.watched[i].in_episode()) ended_.push_back(end_of(histogram, i));
  }
  by_key_.erase(histogram.key);
  histogram = {};
  free_.push_back(index);
}

void QuantileBoard::take(std::uint32_t index, double bound, const Sample& sample,
                         const WatchTerms& terms, Findings& findings) {
  Histogram& histogram = histograms_[index];
  const bool gone = is_stale_marker(sample.value);
  if (sample.timestamp_ms < histogram.at_ms || !(gone || std::isfinite(sample.value))) return;
  if (sample.timestamp_ms > histogram.at_ms) {
    if (histogram.at_ms != 0) complete(histogram, terms, findings);
    histogram.at_ms = sample.timestamp_ms;
  }
  const auto place =
      std::lower_bound(histogram.buckets.begin(), histogram.buckets.end(), bound,
                       [](const Bucket& bucket, double b) { return bucket.bound < b; });
  const bool known = place != histogram.buckets.end() && place->bound == bound;
  if (gone) {
    if (known) histogram.buckets.erase(place);
  } else if (known) {
    place->count = sample.value;
    place->at_ms = sample.timestamp_ms;
  } else if (histogram.buckets.size() < buckets_max) {
    // How much of what a new bucket holds is recent is not known.
    histogram.has_before = false;
    histogram.buckets.insert(place, {bound, sample.value, sample.value, sample.timestamp_ms});
  } else {
    ++left_out_;
  }
}

void QuantileBoard::complete(Histogram& histogram, const WatchTerms& terms, Findings& findings) {
  const auto came = [&](const Bucket& bucket) { return bucket.at_ms == histogram.at_ms; };
  if (!std::all_of(histogram.buckets.begin(), histogram.buckets.end(), came)) return;
  std::vector<CumulativeBucket> counted;
  bool reset = false;
  for (Bucket& bucket : histogram.buckets) {
    const double increase = bucket.count - bucket.count_before;
    reset = reset || increase < 0;
    counted.push_back({bucket.bound, increase});
    bucket.count_before = bucket.count;
  }
  const bool known = histogram.has_before && !reset;
  histogram.has_before = true;
  if (!known) return;
  for (std::size_t i = 0; i < quantiles_.size(); ++i) {
    const auto value = histogram_quantile(quantiles_[i], counted);
    if (!value) continue;
    Watched& watched = histogram.watched[i];
    const Observed seen = watched.observe({histogram.at_ms, *value}, terms.threshold, terms.quiet);
    note(
        seen, watched, quantile_name(quantiles_[i]), histogram.at_ms, terms,
        [&] { return histogram.labels; }, findings);
  }
}

Finding QuantileBoard::end_of(const Histogram& histogram, std::size_t quantile) const {
  return {histogram.watched[quantile].fingerprint(),
          histogram.labels,
          quantile_name(quantiles_[quantile]),
          0,
          {News::ended, 0, {}},
          0};
}

void QuantileBoard::tick(std::int64_t now_ms, const WatchTerms& terms, Findings& findings) {
  for (Histogram& histogram : histograms_) {
    for (std::size_t i = 0; i < histogram.watched.size(); ++i) {
      if (histogram.watched[i].end_if_quiet(now_ms, terms.quiet)) {
        ended_.push_back(end_of(histogram, i));
      }
    }
  }
  for (Finding& end : ended_) {
    end.timestamp_ms = now_ms;
    findings.list.push_back(std::move(end));
  }
  ended_.clear();
}

void QuantileBoard::save(std::size_t first, std::size_t count,
                         detectors::SnapshotWriter& out) const {
  const std::size_t end = std::min(first + count, histograms_.size());
  std::uint64_t states = 0;
  for (std::size_t i = first; i < end; ++i) states += histograms_[i].watched.size();
  out.u64(states);
  for (std::size_t i = first; i < end; ++i) {
    for (const Watched& watched : histograms_[i].watched) watched.save(out);
  }
}

}  // namespace outrider::series
