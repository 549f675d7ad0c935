// SPDX-License-Identifier: Apache-2.0
#pragma once

// The boards that score series and the quantiles of histograms, a lock each, and their states on
// disk. SHELL; thread-safe. A series is its partition's (ingest/series_partition.h), a histogram
// its hash's: who scores holds one lock of each kind at most.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "agent/series/quantile_board.h"
#include "agent/series/series_board.h"
#include "agent/series/series_sink.h"
#include "base/core/clock.h"
#include "base/core/result.h"

namespace outrider::watch {

class StateWriter;

class SeriesBoards final : series::BucketTaker {
 public:
  struct Settings {
    std::size_t partitions = 4;
    std::size_t watched_max = 200'000;
    std::size_t histograms_max = 20'000;
    Duration quiet = std::chrono::minutes(15);
  };
  SeriesBoards(const Settings& settings, series::WatchRules rules);

  // From which score on a sample is an anomaly, in [0, 1].
  double threshold() const { return threshold_; }
  void set_threshold(double threshold) { threshold_ = threshold; }

  series::Findings take(std::size_t partition, std::span<const series::IncomingSeries> series,
                        const series::SeriesDirectory& directory);
  void forget(std::size_t partition, std::uint32_t slot);
  // Ends the episodes of series that fell silent.
  series::Findings tick(Time now);

  // The quantities that may raise: series, and the quantiles of histograms.
  std::size_t watched();
  series::SeriesBoard::Census census();  // Summed.
  std::uint64_t buckets_left_out();

  void save(StateWriter& writer);
  // A chunk that save() wrote. Errors: those of a snapshot.
  Result<void> restore(std::string_view chunk);
  void forget_restored();                           // States that no series claimed.
  std::uint64_t unread() const { return unread_; }  // States that there was no room for.

  // Of the states on disk. 2: half of a series' surprise is its distance in deviations. What 1
  // saved lacks those, and is refused.
  static constexpr std::uint16_t state_version = 2;

 private:
  struct Partition {
    Partition(const series::SeriesBoard::Settings& settings, const series::WatchRules& rules)
        : board(settings, rules) {}
    std::mutex mutex;
    series::SeriesBoard board;
  };
  struct Shard {
    Shard(const std::vector<double>& quantiles, std::size_t max) : board(quantiles, max) {}
    std::mutex mutex;
    series::QuantileBoard board;
  };

  std::optional<std::uint64_t> bind(std::span<const LabelView> labels) override;
  void release(std::uint64_t histogram) override;
  void take(std::uint64_t histogram, double bound, std::span<const Sample> samples,
            series::Findings& findings) override;
  series::WatchTerms terms() const;
  template <class Do>
  void each_board(Do what);
  template <class Part>
  void save_part(Part& part, std::string_view kind, StateWriter& writer);

  const Settings settings_;
  const series::WatchRules rules_;
  std::vector<std::unique_ptr<Partition>> partitions_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::atomic<double> threshold_{1};
  std::uint64_t unread_ = 0;
};

}  // namespace outrider::watch
