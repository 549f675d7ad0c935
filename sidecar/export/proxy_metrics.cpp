// SPDX-License-Identifier: Apache-2.0
#include "sidecar/export/proxy_metrics.h"

#include <algorithm>
#include <array>
#include <functional>
#include <iterator>
#include <tuple>
#include <utility>

#include "base/core/text.h"
#include "sidecar/http1/violation.h"

namespace outrider::exporting {
namespace {

using tap::Counter;
using tap::ProxyCounters;
using wire::MetricSink;
using wire::MetricType;
using wire::SeriesKey;

static_assert(std::equal(std::begin(tap::latency_buckets), std::end(tap::latency_buckets),
                         std::begin(wire::latency_buckets), std::end(wire::latency_buckets)));
static_assert(http1::violation_count <= std::tuple_size_v<decltype(ProxyCounters::violations)>);

// Sums over the data threads.
class Lanes {
 public:
  explicit Lanes(const tap::MemoryFile& file) : file_(file) {}

  template <class Pick>  // Pick: const ProxyCounters& -> const Counter&
  double sum(Pick pick) const {
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < file_.lane_count(); ++i)
      total += static_cast<const Counter&>(pick(file_.lane(i).counters)).get();
    return static_cast<double>(total);
  }

  // Observations of a histogram up to the bound of that bucket, and beyond it.
  template <std::size_t Buckets>
  std::pair<double, double> split(tap::HistogramCells<Buckets> ProxyCounters::*cells,
                                  std::size_t bucket) const {
    std::uint64_t within = 0, beyond = 0;
    for (std::size_t i = 0; i < file_.lane_count(); ++i) {
      const tap::HistogramCells<Buckets>& lane = file_.lane(i).counters.*cells;
      for (std::size_t b = 0; b < Buckets; ++b)
        (b <= bucket ? within : beyond) += lane.buckets[b].get();
    }
    return {static_cast<double>(within), static_cast<double>(beyond)};
  }

  template <std::size_t Buckets, std::size_t Bounds>
  void histogram(MetricSink& sink, const SeriesKey& key,
                 tap::HistogramCells<Buckets> ProxyCounters::*cells,
                 const double (&bounds)[Bounds]) const {
    std::array<std::uint64_t, Buckets> counts{};
    std::uint64_t nanoseconds = 0;
    for (std::size_t i = 0; i < file_.lane_count(); ++i) {
      const tap::HistogramCells<Buckets>& lane = file_.lane(i).counters.*cells;
      for (std::size_t b = 0; b < Buckets; ++b) counts[b] += lane.buckets[b].get();
      nanoseconds += lane.sum_nanoseconds.get();
    }
    sink.histogram(key, {bounds, counts, static_cast<double>(nanoseconds) / 1e9});
  }

 private:
  const tap::MemoryFile& file_;
};

void value(MetricSink& sink, std::string name, MetricType type, std::string help, double value) {
  sink.family({std::move(name), type, std::move(help)});
  sink.value(SeriesKey(), value);
}

SeriesKey key(std::string_view label, std::string_view word) {
  return SeriesKey(Labels{{std::string(label), std::string(word)}});
}

void requests(MetricSink& sink, const Lanes& lanes, const std::string& model) {
  sink.family(
      {"outrider_requests_total", MetricType::counter,
       "HTTP requests by how they ended and the status that the client was sent; 0: none."});
  constexpr std::pair<tap::Outcome, int> usual[] = {
      {tap::Outcome::success, 200},      {tap::Outcome::client_error, 400},
      {tap::Outcome::server_error, 500}, {tap::Outcome::timeout, 504},
      {tap::Outcome::unreachable, 503},  {tap::Outcome::cancelled, 0},
      {tap::Outcome::rejected, 400}};
  for (const auto& [outcome, usual_code] : usual) {
    const auto row = static_cast<std::size_t>(outcome);
    for (std::size_t i = 0; i < tap::code_count; ++i) {
      const int code = i == 0 ? 0 : tap::code_first + static_cast<int>(i) - 1;
      const double count =
          lanes.sum([&](const ProxyCounters& c) { return std::cref(c.requests[row][i]); });
      if (count == 0 && code != usual_code) continue;
      sink.value(SeriesKey(Labels{{"model_name", model},
                                  {"outcome", std::string(to_string(outcome))},
                                  {"code", std::to_string(code)}}),
                 count);
    }
  }
}

void gauge_of(MetricSink& sink, const SeriesKey& model, std::string name, std::string help,
              double value) {
  sink.family({std::move(name), MetricType::gauge, std::move(help)});
  sink.value(model, value);
}

// Counters born with the objective: a ratio of the two is right from their second sample on, whatever was counted before.
void latency_objective(MetricSink& sink, const Lanes& lanes, const std::string& model,
                       const monitor::Objectives::Latency& latency) {
  const SeriesKey of_model = key("model_name", model);
  gauge_of(sink, of_model, "outrider_objective_latency_seconds",
           "What a request may take, by the model's objective.", latency.seconds);
  gauge_of(sink, of_model, "outrider_objective_latency_ratio",
           "Share of requests that take at most so long, by the model's objective.", latency.ratio);
  const auto* bound = std::lower_bound(std::begin(tap::latency_buckets),
                                       std::end(tap::latency_buckets), latency.seconds);
  const auto [within, beyond] = lanes.split(
      &ProxyCounters::duration, static_cast<std::size_t>(bound - std::begin(tap::latency_buckets)));
  sink.family({"outrider_objective_latency_requests_total", MetricType::counter,
               "Requests by whether they took at most as long as the objective has it, `bound` in "
               "seconds."});
  for (const auto& [word, count] : {std::pair{"true", within}, std::pair{"false", beyond}}) {
    sink.value(
        SeriesKey(Labels{
            {"model_name", model}, {"bound", format_double(latency.seconds)}, {"within", word}}),
        count);
  }
}

void objectives_of(MetricSink& sink, const Lanes& lanes, const std::string& model,
                   const monitor::Objectives& objectives) {
  const SeriesKey of_model = key("model_name", model);
  if (objectives.availability) {
    gauge_of(
        sink, of_model, "outrider_objective_availability_ratio",
        "Share of requests that are answered, and not by a server error, by the model's objective.",
        *objectives.availability);
  }
  if (objectives.latency) latency_objective(sink, lanes, model, *objectives.latency);
  if (objectives.saturation) {
    gauge_of(sink, of_model, "outrider_objective_in_flight_requests",
             "Requests in flight that are too many for one pod, by the model's objective.",
             objectives.saturation->in_flight);
    gauge_of(sink, of_model, "outrider_objective_in_flight_wanted_requests",
             "Requests in flight that a pod should have, by the model's objective.",
             objectives.saturation->wanted);
  }
}

void rejections(MetricSink& sink, const Lanes& lanes) {
  sink.family({"outrider_rejected_requests_total", MetricType::counter,
               "Requests that the proxy refused itself, by reason."});
  for (std::size_t i = 0; i < tap::rejection_count; ++i)
    sink.value(key("reason", to_string(static_cast<tap::Rejection>(i))),
               lanes.sum([i](const ProxyCounters& c) { return std::cref(c.rejected[i]); }));
  for (std::size_t i = 1; i < http1::violation_count; ++i) {
    const double count =
        lanes.sum([i](const ProxyCounters& c) { return std::cref(c.violations[i]); });
    if (count != 0) sink.value(key("reason", to_string(static_cast<http1::Violation>(i))), count);
  }
}

void upstream_failures(MetricSink& sink, const Lanes& lanes) {
  sink.family({"outrider_upstream_failures_total", MetricType::counter,
               "Requests that the upstream failed, by reason."});
  for (std::size_t i = 0; i < tap::upstream_failure_count; ++i)
    sink.value(
        key("reason", to_string(static_cast<tap::UpstreamFailure>(i))),
        lanes.sum([i](const ProxyCounters& c) { return std::cref(c.upstream_failures[i]); }));
}

template <class Reason, std::size_t N>
void by_reason(MetricSink& sink, std::string name, std::string help,
               const std::array<std::uint64_t, N>& counts) {
  sink.family({std::move(name), MetricType::counter, std::move(help)});
  for (std::size_t i = 0; i < N; ++i)
    sink.value(key("reason", to_string(static_cast<Reason>(i))), static_cast<double>(counts[i]));
}

void exchanges(MetricSink& sink, const tap::ExchangeCounts& counts) {
  value(sink, "outrider_exchanges_seen_total", MetricType::counter,
        "Exchanges disposed of: the sum of analysed, skipped, dropped and failed ones, exactly.",
        static_cast<double>(counts.seen));
  value(sink, "outrider_exchanges_analysed_total", MetricType::counter,
        "Exchanges that were decoded and monitored.", static_cast<double>(counts.analysed));
  by_reason<tap::SkipReason>(sink, "outrider_exchanges_skipped_total",
                             "Exchanges that the configuration leaves out.", counts.skipped);
  by_reason<tap::DropReason>(sink, "outrider_exchanges_dropped_total",
                             "Exchanges for which there was no room.", counts.dropped);
  by_reason<tap::FailReason>(sink, "outrider_exchanges_failed_total",
                             "Exchanges that could not be analysed.", counts.failed);
  value(sink, "outrider_exchanges_waiting", MetricType::gauge,
        "Exchanges in the ring that the monitor has not come to yet; not part of seen.",
        static_cast<double>(counts.waiting));
}

struct Cell {
  const char* name;
  MetricType type;
  const char* help;
  Counter ProxyCounters::*counter;
};

constexpr MetricType counter = MetricType::counter, gauge = MetricType::gauge;
constexpr Cell cells[] = {
    {"outrider_request_body_bytes_total", counter, "Bytes of request bodies, as forwarded.",
     &ProxyCounters::request_bytes},
    {"outrider_response_body_bytes_total", counter, "Bytes of response bodies, as forwarded.",
     &ProxyCounters::response_bytes},
    {"outrider_proxy_connections_total", counter, "Client connections accepted.",
     &ProxyCounters::connections_accepted},
    {"outrider_proxy_connections_open", gauge, "Client connections.",
     &ProxyCounters::connections_open},
    {"outrider_proxy_connections_idle", gauge, "Client connections between requests.",
     &ProxyCounters::connections_idle},
    {"outrider_proxy_connections_evicted_total", counter,
     "Idle client connections closed to make room for new ones.",
     &ProxyCounters::idle_connections_evicted},
    {"outrider_proxy_accept_pauses_total", counter,
     "Times that accepting paused because no file descriptor was left.",
     &ProxyCounters::accept_paused},
    {"outrider_proxy_queue_depth", gauge, "Requests that wait for an upstream connection.",
     &ProxyCounters::queue_depth},
    {"outrider_proxy_buffer_bytes", gauge, "Memory held for peers that read slowly.",
     &ProxyCounters::buffer_bytes},
    {"outrider_upstream_connects_total", counter, "Connections to the upstream attempted.",
     &ProxyCounters::upstream_connects},
    {"outrider_upstream_connect_failures_total", counter,
     "Connections to the upstream that could not be made.",
     &ProxyCounters::upstream_connect_failures},
    {"outrider_upstream_connections_reused_total", counter,
     "Requests that found a kept-alive upstream connection.", &ProxyCounters::upstream_reused},
    {"outrider_upstream_retries_total", counter,
     "Safe requests sent again because a kept-alive connection had closed.",
     &ProxyCounters::upstream_retries},
    {"outrider_upstream_connections_active", gauge, "Upstream connections that carry a request.",
     &ProxyCounters::upstream_active},
    {"outrider_upstream_connections_idle", gauge, "Upstream connections kept for reuse.",
     &ProxyCounters::upstream_idle},
    {"outrider_tap_capture_bytes", gauge, "Memory held by exchanges that are being captured.",
     &ProxyCounters::capture_bytes},
};

}  // namespace

void ProxyMetrics::set_model(std::string_view name, const monitor::Objectives& objectives) {
  const std::lock_guard hold(lock_);
  model_ = name;
  objectives_ = objectives;
}

void ProxyMetrics::collect(MetricSink& sink) {
  std::string model;
  monitor::Objectives objectives;
  {
    const std::lock_guard hold(lock_);
    model = model_;
    objectives = objectives_;
  }
  const SeriesKey of_model = key("model_name", model);
  const Lanes lanes(file_);
  requests(sink, lanes, model);
  sink.family({"outrider_requests_in_flight", gauge, "Requests whose response is not complete."});
  sink.value(of_model,
             lanes.sum([](const ProxyCounters& c) { return std::cref(c.requests_in_flight); }));
  sink.family(
      {"outrider_request_duration_seconds", MetricType::histogram,
       "From a request's first byte until its response's last was handed to the client's socket."});
  lanes.histogram(sink, of_model, &ProxyCounters::duration, tap::latency_buckets);
  objectives_of(sink, lanes, model, objectives);
  sink.family({"outrider_proxy_overhead_seconds", MetricType::histogram,
               "Time that the proxy itself added: before the request was sent on, and from the "
               "response's arrival until it was."});
  lanes.histogram(sink, SeriesKey(), &ProxyCounters::overhead, tap::overhead_buckets);
  rejections(sink, lanes);
  upstream_failures(sink, lanes);
  for (const Cell& cell : cells)
    value(sink, cell.name, cell.type, cell.help,
          lanes.sum([&cell](const ProxyCounters& c) { return std::cref(c.*cell.counter); }));
  exchanges(sink, count_exchanges(file_));
  const tap::ProcessCells& processes = file_.processes();
  value(sink, "outrider_proxy_ready", gauge,
        "1 while the proxy says that it is ready; 0 from SIGTERM on, while it leaves and drains.",
        static_cast<double>(processes.proxy_ready.get()));
  value(sink, "outrider_tap_ring_bytes", gauge, "Size of the rings that exchanges wait in.",
        static_cast<double>(processes.ring_bytes.get()));
  value(sink, "outrider_monitor_restarts_total", counter,
        "Times that the monitor process was started anew.",
        static_cast<double>(processes.monitor_restarts.get()));
  value(sink, "outrider_monitor_hangs_total", counter,
        "Those of them that ended a monitor which lived but did nothing.",
        static_cast<double>(processes.monitor_hangs.get()));
  value(sink, "outrider_upstream_lookups_total", counter,
        "Times that the upstream's name was looked up again.",
        static_cast<double>(processes.upstream_lookups.get()));
  value(sink, "outrider_upstream_lookup_failures_total", counter,
        "Those that failed; the addresses stayed as they were.",
        static_cast<double>(processes.upstream_lookup_failures.get()));
}

}  // namespace outrider::exporting
