// SPDX-License-Identifier: Apache-2.0
#include "agent/truth/freshness_probe.h"

#include <algorithm>
#include <condition_variable>

namespace outrider::fleet {

FreshnessProbe::FreshnessProbe(std::function<bool()> probe_once, const Clock& clock, Duration every)
    : probe_once_(std::move(probe_once)), clock_(clock), every_(every) {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

FreshnessProbe::~FreshnessProbe() {
  stop();
}

void FreshnessProbe::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void FreshnessProbe::run(const std::stop_token& stop) {
  std::condition_variable_any sleep;
  while (!stop.stop_requested()) {
    const auto began = std::chrono::steady_clock::now();
    const bool seen = probe_once_();
    const double seconds = to_seconds(std::chrono::steady_clock::now() - began);
    std::unique_lock hold(mutex_);
    ++(seen ? seen_ : lost_);
    if (seen) {
      const auto bucket = std::lower_bound(std::begin(wire::latency_buckets),
                                           std::end(wire::latency_buckets), seconds);
      ++buckets_[static_cast<std::size_t>(bucket - std::begin(wire::latency_buckets))];
      seconds_ += seconds;
      last_ = clock_.now();
    }
    sleep.wait_for(hold, stop, every_, [] { return false; });
  }
}

void FreshnessProbe::collect(wire::MetricSink& sink) {
  using wire::MetricType;
  const std::lock_guard hold(mutex_);
  sink.family(
      {"outrider_agent_truth_probe_seconds", MetricType::histogram,
       "Time from a synthetic label to its outcome, once a --truth.probe-interval; of no model."});
  sink.histogram(
      wire::SeriesKey(Labels{}),
      {.upper_bounds = wire::latency_buckets, .bucket_counts = buckets_, .sum = seconds_});
  sink.family({"outrider_agent_truth_probes_total", MetricType::counter,
               "Synthetic labels, by whether their outcome was seen."});
  sink.value(wire::SeriesKey({{"result", "seen"}}), static_cast<double>(seen_));
  sink.value(wire::SeriesKey({{"result", "lost"}}), static_cast<double>(lost_));
  sink.family({"outrider_agent_truth_probe_last_seen_timestamp_seconds", MetricType::gauge,
               "When the outcome of a synthetic label was last seen."});
  if (last_ != Time{})
    sink.value(wire::SeriesKey(Labels{}), static_cast<double>(to_unix_ms(last_)) / 1000);
}

}  // namespace outrider::fleet
