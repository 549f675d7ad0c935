// SPDX-License-Identifier: Apache-2.0
#include "truth/log/log_figures.h"

#include <string>
#include <utility>

namespace outrider::truth {
namespace {

wire::SeriesKey reason_key(AppendDrop reason) {
  return wire::SeriesKey({{"reason", std::string(to_string(reason))}});
}

}  // namespace

void LogFigures::publish(const PredictionLog::Figures& figures) {
  const MutexLock lock(mutex_);
  figures_ = figures;
}

PredictionLog::Figures LogFigures::get() const {
  PredictionLog::Figures figures;
  {
    const MutexLock lock(mutex_);
    figures = figures_;
  }
  for (std::size_t i = 0; i < append_drop_count; ++i) figures.dropped[i] = dropped_[i];
  return figures;
}

void LogFigures::collect(const PredictionLog::Figures& now, wire::MetricSink& sink) const {
  using wire::MetricType;
  const auto one = [&sink](std::string name, MetricType type, std::string help,
                           std::uint64_t value) {
    sink.family({std::move(name), type, std::move(help)});
    sink.value(wire::SeriesKey(Labels{}), static_cast<double>(value));
  };
  sink.family({"outrider_log_dropped_total", MetricType::counter,
               "Predictions that are not in the log, so that their labels are unknown."});
  for (std::size_t i = 0; i < append_drop_count; ++i) {
    sink.value(reason_key(static_cast<AppendDrop>(i)), static_cast<double>(now.dropped[i]));
  }
  one("outrider_log_stored_total", MetricType::counter, "Predictions written to the log.",
      now.stored);
  one("outrider_log_evicted_total", MetricType::counter,
      "Predictions that fell to log.max_bytes without a label.", now.evicted);
  one("outrider_log_expired_total", MetricType::counter,
      "Predictions that passed truth.max_delay without a label.", now.expired);
  one("outrider_log_pending_predictions", MetricType::gauge,
      "Predictions that wait for their label.", now.pending);
  one("outrider_log_bytes", MetricType::gauge, "Bytes of the log on disk.", now.disk_bytes);
  one("outrider_log_max_bytes", MetricType::gauge, "The log's byte cap.", settings_.bytes_max);
  one("outrider_log_held_labels", MetricType::gauge,
      "Labels that came before their prediction and are held.", now.early_held);
  one("outrider_log_held_bytes", MetricType::gauge, "What the held labels take on disk.",
      now.early_bytes);
  one("outrider_log_labels_not_held_total", MetricType::counter,
      "Labels that would have been held for their prediction, were there not too many already: "
      "they "
      "were answered unknown.",
      now.early_refused);
  one("outrider_log_queued_labels", MetricType::gauge, "Labels that wait to be written.",
      now.queued_labels);
  one("outrider_log_queued_bytes", MetricType::gauge, "Predictions that wait to be written.",
      now.queued_bytes);
  one("outrider_log_reopened_total", MetricType::counter,
      "Times the log was opened again after a failed write.",
      reopened_.load(std::memory_order_relaxed));
  if (settings_.shipped) collect_streams(now, sink);
  one("outrider_log_available", MetricType::gauge, "1 while the log takes predictions and labels.",
      now.available ? 1 : 0);
}

void LogFigures::collect_streams(const PredictionLog::Figures& now, wire::MetricSink& sink) {
  using wire::MetricType;
  const auto number = [](std::uint64_t count) { return static_cast<double>(count); };
  sink.family({"outrider_truth_predictions_received_total", MetricType::counter,
               "Predictions that sidecars shipped here: new ones, and ones that were sent again."});
  sink.value(wire::SeriesKey({{"seen", "first"}}), number(now.shipped));
  sink.value(wire::SeriesKey({{"seen", "again"}}), number(now.shipped_again));
  sink.family({"outrider_truth_predictions_lost_total", MetricType::counter,
               "Predictions that never came, by the gaps in their sidecars' numbers: labels for "
               "them are unknown."});
  sink.value(wire::SeriesKey(Labels{}), number(now.lost));
  sink.family({"outrider_truth_streams", MetricType::gauge,
               "Sidecars that ship their predictions here and have not ended."});
  sink.value(wire::SeriesKey(Labels{}), number(now.streams));
  sink.family({"outrider_truth_shipping_lag_seconds", MetricType::gauge,
               "How long ago it is that everything is here of, of the slowest sidecar; labels that "
               "find no prediction are held so long."});
  sink.value(wire::SeriesKey(Labels{}), to_seconds(now.shipping_lag));
}

}  // namespace outrider::truth
