// SPDX-License-Identifier: Apache-2.0
#pragma once

// Counts of labels by model and result, and their delays. A group of labels is tallied by the
// owner, then published whole by commit() once it is on disk, or forgotten by roll_back().
//
// Thread-safe: count_now(), announce() and collect(); the rest is the owner's. At most `models_max`
// model versions are told apart; further ones are counted as model "other", version "other".

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/wire/exposition.h"
#include "truth/prediction.h"

namespace outrider::truth {

// From a second to a month.
inline constexpr double delay_buckets[] = {1,     10,    60,     300,    900,     3600,
                                           21600, 86400, 259200, 604800, 1209600, 2592000};
inline constexpr std::size_t delay_bucket_count = std::size(delay_buckets) + 1;

class LabelMetrics {
 public:
  explicit LabelMetrics(std::size_t models_max) : models_max_(models_max) {}

  void count(std::string_view model_name, std::string_view model_version, LabelResult result);
  void observe_delay(std::string_view model_name, std::string_view model_version, Duration delay);
  void commit();
  void roll_back();

  void observe_sync(Duration taken);  // Of one synced write.

  // Counts at once what is on no disk: labels that could not be read.
  void count_now(std::string_view model_name, std::string_view model_version, LabelResult result,
                 std::uint64_t labels);

  // The series of a model version, at 0: rate() does not see the first increase of a counter that
  // is born with it, and labels come in batches. Nothing where they are there already.
  void announce(std::string_view model_name, std::string_view model_version);

  std::array<std::uint64_t, label_result_count> totals() const;
  void collect(wire::MetricSink& sink) const;  // outrider_labels_total, …_delay_seconds, log_sync

 private:
  struct Tally {
    std::array<std::uint64_t, label_result_count> results{};
    std::array<std::uint64_t, delay_bucket_count> delays{};
    double delay_sum = 0;
    void add(const Tally& other);
  };
  struct Published {
    Tally tally;
    wire::SeriesKey key;
    std::array<wire::SeriesKey, label_result_count> result_keys;
  };
  using Model = std::pair<std::string, std::string>;

  Tally& group_tally(std::string_view model_name, std::string_view model_version);
  Published& publish(const Model& model);

  const std::size_t models_max_;
  // The group at hand. Few models take part, and mostly the same one again.
  std::vector<std::pair<Model, Tally>> group_;

  mutable std::mutex mutex_;
  std::array<std::uint64_t, std::size(wire::latency_buckets) + 1> syncs_{};
  double sync_seconds_ = 0;
  std::map<Model, Published> published_;
};

}  // namespace outrider::truth
