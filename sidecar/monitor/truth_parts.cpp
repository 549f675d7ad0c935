// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/truth_parts.h"

namespace outrider::monitor {

void LockedConsumer::restore(std::span<const truth::StateBlob> blobs) {
  const std::lock_guard hold(guarded_.lock);
  guarded_.monitor.restore(blobs);
}

void LockedConsumer::on_joined(const truth::JoinedRow& row) {
  const std::lock_guard hold(guarded_.lock);
  guarded_.monitor.on_joined(row);
}

void LockedConsumer::changed_state(truth::StateWriter& out) {
  const std::lock_guard hold(guarded_.lock);
  guarded_.monitor.changed_state(out);
}

void LockedConsumer::committed() {
  const std::lock_guard hold(guarded_.lock);
  guarded_.monitor.committed();
}

void LogMetrics::collect(wire::MetricSink& sink) {
  truth::PredictionLog* log = holder_.get();
  if (log) {
    const std::lock_guard hold(guarded_.lock);
    for (const auto& version : guarded_.monitor.versions())
      log->announce(version->name().model, version->name().version);
  }
  sink.family({"outrider_log_up", wire::MetricType::gauge,
               "1 while the prediction log is open and takes predictions and labels."});
  sink.value(wire::SeriesKey(), log && log->figures().available ? 1 : 0);
  if (log) log->collector().collect(sink);
}

bool Sampler::keeps(std::string_view name) {
  const bool kept = truth::in_sample(name, sample_.share);
  if (!kept) left_out_.fetch_add(1, std::memory_order_relaxed);
  return kept;
}

void Sampler::collect(wire::MetricSink& sink) {
  sink.family({"outrider_truth_sample_ratio", wire::MetricType::gauge,
               "Share of the predictions that are kept for their labels (truth.sample): labels, "
               "outcomes and accuracy are of these."});
  sink.value(wire::SeriesKey(), sample_.share);
  sink.family({"outrider_truth_sampled_out_total", wire::MetricType::counter,
               "Predictions that truth.sample left out: labels for them are sampled_out."});
  sink.value(wire::SeriesKey(), static_cast<double>(left_out_.load(std::memory_order_relaxed)));
}

}  // namespace outrider::monitor
