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

}  // namespace outrider::monitor
