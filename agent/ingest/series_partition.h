// SPDX-License-Identifier: Apache-2.0
#pragma once

// One partition of what the agent takes in: decides sample by sample what is stored, remembers the
// series and hands on what is new to the SeriesSink. No I/O, no thread; the time is an argument.
// Not thread-safe: the receiver holds one lock a partition.
//
//   SeriesPartition intake(settings, number, families, sink);
//   WriteReport report;
//   intake.take(request, indexes, now, report);             // series that belong to this partition
//   for (auto [index, fingerprint] : intake.moved()) …      // these belong to another one
//
// What is refused (Refusal): a sample older than the series' newest; one at the newest's time with
// another value; one further ahead than `ahead_max`, or older than `age_max`; a series with faulty
// labels or past the table's limits. The rest of the request is stored. A sample that was stored
// before with the same time and value is a repetition: counted as stored, not handed on (of older
// ones as many are known as recent_samples.h says). O(1) a sample.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "agent/ingest/exemplar_ring.h"
#include "agent/ingest/families.h"
#include "agent/ingest/histogram_store.h"
#include "agent/ingest/refusal.h"
#include "agent/ingest/request_labels.h"
#include "agent/ingest/sample_order.h"
#include "agent/ingest/series_table.h"
#include "agent/ingest/sink_batch.h"
#include "agent/series/series_sink.h"
#include "base/remote_write/codec/decode.h"

namespace outrider::ingest {

// What became of one request.
struct WriteReport {
  static constexpr std::size_t messages_max = 8;

  std::uint64_t samples = 0, histograms = 0, exemplars = 0;  // Stored.
  std::uint64_t repetitions = 0;                             // Of these, stored before.
  std::uint64_t metadata_refused = 0;                        // Families past their limit.
  // Samples, histograms and exemplars by reason; a series without any counts as one.
  std::array<std::uint64_t, refusal_count> refused{};
  std::vector<std::string> messages;  // Of the first that were refused.

  std::uint64_t refused_total() const;
};

class SeriesPartition final : public series::SeriesDirectory {
 public:
  struct Settings {
    SeriesTable::Settings table;
    remote_write::LabelLimits labels;
    Duration ahead_max = std::chrono::minutes(10);  // As Prometheus has it.
    Duration age_max = std::chrono::hours(24);
    std::size_t exemplars_max = 1024;             // The newest are kept.
    std::size_t histogram_bytes_max = 16u << 20;  // Of the newest histogram of each series.
    std::size_t partition = 0, partitions = 1;
  };

  // What is referred to must outlive it; the sink may be none.
  SeriesPartition(const Settings& settings, Families& families, SeriesCount& count,
                  series::SeriesSink* sink);

  // The partition that a series of this fingerprint belongs to.
  static std::size_t partition_of(const remote_write::Hash128& fingerprint, std::size_t partitions);

  // Takes the request's series at these indexes; `is_more` when some of it was taken before.
  void take(const remote_write::WriteRequest& request, std::span<const std::uint32_t> indexes,
            Time now, WriteReport& report, bool is_more = false);

  // Of the last take(): series whose labels came in an unusual encoding and belong elsewhere. Hand
  // them to the intake of that partition.
  std::span<const std::pair<std::uint32_t, std::size_t>> moved() const { return moved_; }

  // Lets go of what is idle. Call it now and then: a round of the table takes some minutes of
  // calls.
  void tidy(Time now);

  const SeriesTable& table() const { return table_; }
  std::span<const StoredExemplar> exemplars() const { return exemplars_.all(); }
  // The newest histogram of a series as encoded, or nothing.
  std::string_view histogram_of(std::uint32_t slot) const { return histograms_.find(slot); }
  std::uint64_t departed(SeriesTable::Departure departure) const {
    return departed_[static_cast<std::size_t>(departure)];
  }
  std::uint64_t histograms_not_kept() const { return histograms_.not_kept(); }

  Labels labels_of(std::size_t partition, std::uint32_t slot) const override;

 private:
  struct Place {
    std::uint32_t slot = 0;
    bool is_new = false;
  };
  void take_one(std::uint32_t index);
  std::optional<Place> find_or_insert(std::uint32_t index);
  std::optional<Place> look_at_labels(std::uint32_t index);
  bool has_something_to_store(const remote_write::WriteRequest::Series& series) const;
  void take_samples(const remote_write::WriteRequest::Series& series, std::uint32_t index,
                    const Place& place);
  void take_histograms(const remote_write::WriteRequest::Series& series, std::uint32_t index,
                       const Place& place);
  void take_exemplars(const remote_write::WriteRequest::Series& series, std::uint32_t index,
                      const Place& place);
  void take_metadata(const remote_write::WriteRequest::Series& series, const Place& place);
  void set_family(std::string_view metric, const remote_write::WireMetadata& metadata);
  void refuse_times(const remote_write::WriteRequest::Series& series, std::uint32_t index);
  series::IncomingSeries begin_incoming(const Place& place, const SeriesTable::Record& record);
  void refuse_series(std::uint32_t index, Refusal refusal, std::string message);
  void refuse_sample(std::uint32_t index, Refusal refusal, std::int64_t timestamp_ms);
  void add_message(std::string message);
  void hand_on(series::IncomingSeries& incoming, SeriesTable::Record& record,
               const NativeHistogram* decoded = nullptr);
  void forget(std::uint32_t slot, SeriesTable::Departure departure);

  const Settings settings_;
  Families& families_;
  SeriesTable table_;
  SampleOrder order_;
  ExemplarRing exemplars_;
  HistogramStore histograms_;
  std::array<std::uint64_t, 2> departed_{};
  SinkBatch batch_;

  // Of the take() under way.
  const remote_write::WriteRequest* request_ = nullptr;
  WriteReport* report_ = nullptr;
  Time now_{};
  std::vector<std::pair<std::uint32_t, std::size_t>> moved_;
  RequestLabels labels_;  // Of the one new series at hand.
};

}  // namespace outrider::ingest
