// SPDX-License-Identifier: Apache-2.0
// What the receiver tells of itself: its metrics.
#include "agent/ingest/remote_write.h"

namespace outrider::ingest {
namespace {

using wire::MetricSink;
using wire::MetricType;
using wire::SeriesKey;

void single(MetricSink& sink, const char* name, MetricType type, const char* help, double value) {
  sink.family({name, type, help});
  sink.value(SeriesKey(), value);
}

}  // namespace

void RemoteWriteReceiver::collect(MetricSink& sink) {
  collect_requests(sink);
  collect_samples(sink);
  collect_series(sink);
}

void RemoteWriteReceiver::collect_requests(MetricSink& sink) {
  sink.family({"outrider_agent_remote_write_requests_total", MetricType::counter,
               "Remote write requests by version and outcome."});
  for (std::size_t version = 0; version < tally_.requests.size(); ++version) {
    for (std::size_t i = 0; i < outcome_count; ++i) {
      sink.value(SeriesKey(Labels{{"version", version == 0 ? "1.0" : "2.0"},
                                  {"outcome", std::string(outcome_words[i])}}),
                 static_cast<double>(tally_.requests[version][i].load()));
    }
  }
  std::array<std::uint64_t, std::size(wire::latency_buckets) + 1> durations{};
  for (std::size_t i = 0; i < durations.size(); ++i) durations[i] = tally_.durations[i].load();
  sink.family({"outrider_agent_remote_write_request_duration_seconds", MetricType::histogram,
               "From the whole request to its answer."});
  sink.histogram(SeriesKey(), {.upper_bounds = wire::latency_buckets,
                               .bucket_counts = durations,
                               .sum = static_cast<double>(tally_.duration_ns.load()) / 1e9});
  single(sink, "outrider_agent_remote_write_compressed_bytes_total", MetricType::counter,
         "Bytes of the bodies as they came.", static_cast<double>(tally_.compressed_bytes.load()));
  single(sink, "outrider_agent_remote_write_decompressed_bytes_total", MetricType::counter,
         "Bytes of the bodies decompressed.",
         static_cast<double>(tally_.decompressed_bytes.load()));
  single(sink, "outrider_agent_remote_write_in_flight_bytes", MetricType::gauge,
         "Bytes of the requests being worked on.",
         static_cast<double>(admission_.in_flight_bytes()));
}

void RemoteWriteReceiver::collect_samples(MetricSink& sink) {
  single(sink, "outrider_agent_remote_write_samples_total", MetricType::counter, "Samples stored.",
         static_cast<double>(tally_.samples.load()));
  single(sink, "outrider_agent_remote_write_histograms_total", MetricType::counter,
         "Native histograms stored.", static_cast<double>(tally_.histograms.load()));
  single(sink, "outrider_agent_remote_write_exemplars_total", MetricType::counter,
         "Exemplars stored.", static_cast<double>(tally_.exemplars.load()));
  single(
      sink, "outrider_agent_remote_write_repeated_samples_total", MetricType::counter,
      "Samples, histograms and exemplars that were stored already, with the same time and value.",
      static_cast<double>(tally_.repetitions.load()));
  sink.family({"outrider_agent_remote_write_refused_total", MetricType::counter,
               "Samples, histograms and exemplars refused, by reason."});
  for (std::size_t i = 1; i < refusal_count; ++i) {
    sink.value(SeriesKey(Labels{{"reason", std::string(to_string(static_cast<Refusal>(i)))}}),
               static_cast<double>(tally_.refused[i].load()));
  }
  single(sink, "outrider_agent_remote_write_metadata_refused_total", MetricType::counter,
         "Metadata of families past their limit, or without a valid name.",
         static_cast<double>(tally_.metadata_refused.load()));
}

void RemoteWriteReceiver::collect_series(MetricSink& sink) {
  std::size_t label_bytes = 0;
  std::uint64_t idle = 0, room = 0, not_kept = 0;
  for (const auto& partition : partitions_) {
    std::lock_guard lock(partition->mutex);
    label_bytes += partition->series.table().label_bytes();
    idle += partition->series.departed(SeriesTable::Departure::idle);
    room += partition->series.departed(SeriesTable::Departure::room);
    not_kept += partition->series.histograms_not_kept();
  }
  single(sink, "outrider_agent_series", MetricType::gauge, "Series that the agent knows.",
         static_cast<double>(series_count_.value()));
  single(sink, "outrider_agent_series_limit", MetricType::gauge, "Series that it may know.",
         static_cast<double>(settings_.table.series_max));
  single(sink, "outrider_agent_series_label_bytes", MetricType::gauge,
         "Bytes of the label texts of all series, each text counted once a partition.",
         static_cast<double>(label_bytes));
  sink.family({"outrider_agent_series_forgotten_total", MetricType::counter,
               "Series let go: silent for too long, or to make room for new ones."});
  sink.value(SeriesKey(Labels{{"reason", "idle"}}), static_cast<double>(idle));
  sink.value(SeriesKey(Labels{{"reason", "room"}}), static_cast<double>(room));
  single(sink, "outrider_agent_histograms_not_kept_total", MetricType::counter,
         "Native histograms handed on, but not kept for GET /api/v1/series, past its limit.",
         static_cast<double>(not_kept));
  single(sink, "outrider_agent_metric_families", MetricType::gauge,
         "Metric families whose metadata is known.", static_cast<double>(families_.size()));
}

}  // namespace outrider::ingest
