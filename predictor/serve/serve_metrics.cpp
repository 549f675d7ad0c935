// SPDX-License-Identifier: Apache-2.0
#include "predictor/serve/serve_metrics.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace outrider::serve {
namespace {

constexpr std::array<const char*, route_count> route_names{"predict", "v1", "v2", "admin"};
constexpr std::array<int, 11> codes{200, 400, 500, 202, 401, 404, 405, 409, 413, 422, 503};
constexpr std::size_t common_codes = 3;

}  // namespace

ServeMetrics::ServeMetrics(std::string model_name) : model_name_(std::move(model_name)) {
  for (std::size_t route = 0; route < route_count; ++route) {
    for (std::size_t code = 0; code < common_codes; ++code) requests(route, code);
    latency_[route] =
        &registry_.latency("outrider_predictor_request_duration_seconds",
                           "Time from a whole request to its whole answer, by protocol.",
                           {{"model_name", model_name_}, {"route", route_names[route]}});
  }
  in_flight_ = &registry_.gauge("outrider_predictor_requests_in_flight", "Requests being answered.",
                                {{"model_name", model_name_}});
  swaps_ = &registry_.counter("outrider_predictor_model_swaps_total",
                              "Times that another version began to serve.",
                              {{"model_name", model_name_}});
  reload_failures_ = &registry_.counter(
      "outrider_predictor_reload_failures_total",
      "Times that a promoted version could not be read; the old one kept serving.",
      {{"model_name", model_name_}});
}

prometheus::Counter& ServeMetrics::requests(std::size_t route, std::size_t code) {
  prometheus::Counter* counter = requests_[route][code].load(std::memory_order_acquire);
  if (counter) return *counter;
  counter = &registry_.counter(
      "outrider_predictor_requests_total", "HTTP requests answered, by protocol and status.",
      {{"model_name", model_name_},
       {"route", route_names[route]},
       {"code", code < codes.size() ? std::to_string(codes[code]) : "other"}});
  requests_[route][code].store(counter, std::memory_order_release);
  return *counter;
}

void ServeMetrics::count(Route route, int status, Duration took) {
  static_assert(codes.size() + 1 == code_count);
  const auto* code = std::find(codes.begin(), codes.end(), status);
  const auto number = static_cast<std::size_t>(route);
  requests(number, static_cast<std::size_t>(code - codes.begin())).Increment();
  latency_[number]->Observe(to_seconds(took));
}

VersionCounters ServeMetrics::version_counters(const std::string& version) {
  const std::lock_guard lock(mutex_);
  const bool full = versions_.count(version) == 0 && versions_.size() >= versions_max;
  const std::string& counted = *versions_.insert(full ? "other" : version).first;
  const wire::Registry::LabelMap labels = {{"model_name", model_name_}, {"model_version", counted}};
  return {registry_.counter("outrider_predictor_predictions_total", "Rows predicted.", labels),
          registry_.counter("outrider_predictor_filled_values_total",
                            "Missing feature values that were filled in.", labels),
          registry_.counter("outrider_predictor_unseen_categories_total",
                            "Feature values that training never saw.", labels)};
}

}  // namespace outrider::serve
