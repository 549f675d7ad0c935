// SPDX-License-Identifier: Apache-2.0
#include "predictor/serve/serve_metrics.h"

#include <algorithm>

namespace outrider::serve {
namespace {

constexpr std::array<const char*, route_count> route_names{"predict", "v1", "v2", "admin"};

}  // namespace

void ServeMetrics::count(Route route, int status, Duration took) {
  RouteCounters& counters = routes_[static_cast<std::size_t>(route)];
  const auto code = std::find(codes.begin(), codes.end() - 1, status);
  counters.by_code[static_cast<std::size_t>(code - codes.begin())].fetch_add(
      1, std::memory_order_relaxed);
  const double seconds = to_seconds(took);
  const auto bucket =
      std::lower_bound(std::begin(wire::latency_buckets), std::end(wire::latency_buckets), seconds);
  counters.latency[static_cast<std::size_t>(bucket - std::begin(wire::latency_buckets))].fetch_add(
      1, std::memory_order_relaxed);
  counters.latency_sum.fetch_add(seconds, std::memory_order_relaxed);
}

std::shared_ptr<VersionCounters> ServeMetrics::version_counters(const std::string& version) {
  std::lock_guard lock(mutex_);
  const bool full = versions_.count(version) == 0 && versions_.size() >= versions_max;
  auto& counters = versions_[full ? "other" : version];
  if (!counters) counters = std::make_shared<VersionCounters>();
  return counters;
}

void ServeMetrics::collect(wire::MetricSink& sink) {
  collect_requests(sink);
  collect_versions(sink);
  const wire::SeriesKey model(Labels{{"model_name", model_name_}});
  sink.family({"outrider_predictor_requests_in_flight", wire::MetricType::gauge,
               "Requests being answered."});
  sink.value(model, in_flight.load());
  sink.family({"outrider_predictor_model_swaps_total", wire::MetricType::counter,
               "Times that another version began to serve."});
  sink.value(model, static_cast<double>(swaps.load()));
  sink.family({"outrider_predictor_reload_failures_total", wire::MetricType::counter,
               "Times that a promoted version could not be read; the old one kept serving."});
  sink.value(model, static_cast<double>(reload_failures.load()));
}

void ServeMetrics::collect_requests(wire::MetricSink& sink) const {
  sink.family({"outrider_predictor_requests_total", wire::MetricType::counter,
               "HTTP requests answered, by protocol and status."});
  for (std::size_t r = 0; r < route_count; ++r) {
    for (std::size_t c = 0; c < codes.size(); ++c) {
      const std::uint64_t count = routes_[r].by_code[c].load(std::memory_order_relaxed);
      if (count == 0 && codes[c] != 200 && codes[c] != 400 && codes[c] != 500) continue;
      sink.value(
          wire::SeriesKey(Labels{{"model_name", model_name_},
                                 {"route", route_names[r]},
                                 {"code", codes[c] == 0 ? "other" : std::to_string(codes[c])}}),
          static_cast<double>(count));
    }
  }
  sink.family({"outrider_predictor_request_duration_seconds", wire::MetricType::histogram,
               "Time from a whole request to its whole answer, by protocol."});
  for (std::size_t r = 0; r < route_count; ++r) {
    std::array<std::uint64_t, buckets> counts{};
    for (std::size_t b = 0; b < buckets; ++b)
      counts[b] = routes_[r].latency[b].load(std::memory_order_relaxed);
    sink.histogram(wire::SeriesKey(Labels{{"model_name", model_name_}, {"route", route_names[r]}}),
                   {.upper_bounds = wire::latency_buckets,
                    .bucket_counts = counts,
                    .sum = routes_[r].latency_sum.load(std::memory_order_relaxed)});
  }
}

void ServeMetrics::collect_versions(wire::MetricSink& sink) const {
  std::lock_guard lock(mutex_);
  const auto family = [&](const char* name, const char* help,
                          std::atomic<std::uint64_t> VersionCounters::*member) {
    sink.family({name, wire::MetricType::counter, help});
    for (const auto& [version, counters] : versions_) {
      sink.value(wire::SeriesKey(Labels{{"model_name", model_name_}, {"model_version", version}}),
                 static_cast<double>(((*counters).*member).load(std::memory_order_relaxed)));
    }
  };
  family("outrider_predictor_predictions_total", "Rows predicted.", &VersionCounters::predictions);
  family("outrider_predictor_filled_values_total", "Missing feature values that were filled in.",
         &VersionCounters::filled);
  family("outrider_predictor_unseen_categories_total", "Feature values that training never saw.",
         &VersionCounters::unseen);
}

}  // namespace outrider::serve
