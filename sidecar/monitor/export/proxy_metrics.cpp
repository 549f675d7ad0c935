// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/export/proxy_metrics.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <numeric>
#include <span>
#include <tuple>
#include <utility>

#include "base/core/text.h"
#include "base/tls/handshake_result.h"
#include "sidecar/http1/violation.h"
#include "sidecar/http2/error.h"
#include "sidecar/tap/grpc_call.h"

namespace outrider::exporting {
namespace {

using tap::Counter;
using tap::ProxyCounters;
using wire::MetricSink;
using wire::MetricType;
using wire::SeriesKey;

static_assert(http1::violation_count <= std::tuple_size_v<decltype(ProxyCounters::violations)>);
static_assert(http2::violation_count <=
              std::tuple_size_v<decltype(ProxyCounters::http2_violations)>);

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

// ---- Requests by model ----

using tap::ModelCounters;
using tap::ModelTable;
using tap::Outcome;

// Outcomes with the codes that they usually end in. These series are there, at 0, from the first
// scrape on that knows the model: rate() does not see the first increase of one that comes later,
// and alerts read them.
constexpr std::pair<Outcome, int> usual_ends[] = {
    {Outcome::success, 200},      {Outcome::client_error, 400}, {Outcome::server_error, 200},
    {Outcome::server_error, 500}, {Outcome::server_error, 502}, {Outcome::server_error, 503},
    {Outcome::server_error, 504}, {Outcome::timeout, 200},      {Outcome::timeout, 504},
    {Outcome::unreachable, 200},  {Outcome::unreachable, 502},  {Outcome::unreachable, 503},
    {Outcome::cancelled, 0},      {Outcome::rejected, 400},     {Outcome::rejected, 408},
    {Outcome::rejected, 413},     {Outcome::rejected, 503}};
// Of requests whose head was refused, so that they name no model.
constexpr std::pair<Outcome, int> unread_ends[] = {{Outcome::rejected, 414},
                                                   {Outcome::rejected, 417},
                                                   {Outcome::rejected, 431},
                                                   {Outcome::rejected, 501},
                                                   {Outcome::rejected, 505}};

// A model's counts over all data threads.
struct ModelSums {
  std::map<std::pair<Outcome, int>, std::uint64_t> requests;  // Code -1: not kept.
  std::array<std::uint64_t, tap::latency_bounds_max + 1> buckets{};
  std::uint64_t nanoseconds = 0, durations = 0;

  void add(const ModelCounters& counters) {
    counters.requests.each([this](Outcome outcome, int code, std::uint64_t n) {
      requests[{outcome, code}] += n;
    });
    for (std::size_t i = 0; i < buckets.size(); ++i) {
      const std::uint64_t n = counters.duration.buckets[i].get();
      buckets[i] += n;
      durations += n;
    }
    nanoseconds += counters.duration.sum_nanoseconds.get();
  }
  void add(std::span<const std::pair<Outcome, int>> ends) {
    for (const auto& end : ends) requests.try_emplace(end, 0);
  }
};

// The sums by name; under one name all of them where exactly one is configured.
std::map<std::string, ModelSums> sum_models(const tap::MemoryFile& file,
                                            const std::string& configured) {
  std::map<std::string, ModelSums> models;
  bool is_full = false;
  models[configured.empty() ? std::string(tap::unknown_model) : configured].add(unread_ends);
  for (std::size_t lane = 0; lane < file.lane_count(); ++lane) {
    const std::span<const ModelCounters> slots = file.models(lane);
    for (const ModelCounters& slot : slots) {
      if (!slot.is_taken()) break;
      models[configured.empty() ? std::string(slot.name()) : configured].add(slot);
    }
    is_full = is_full || slots.back().is_taken();
  }
  for (auto& [name, sums] : models) sums.add(usual_ends);
  // Until a name has found no slot, "other" is no model.
  const auto other = models.find(std::string(tap::other_model));
  if (other != models.end() && other->second.durations == 0 && !is_full) models.erase(other);
  return models;
}

void requests_by_model(MetricSink& sink, const std::map<std::string, ModelSums>& models) {
  sink.family(
      {"outrider_requests_total", MetricType::counter,
       "HTTP requests by model, how they ended and the status that the client was sent; 0: none."});
  for (const auto& [name, sums] : models) {
    for (const auto& [end, count] : sums.requests) {
      const auto& [outcome, code] = end;
      sink.value(SeriesKey(Labels{{"model_name", name},
                                  {"outcome", std::string(to_string(outcome))},
                                  {"code", code < 0 ? "other" : std::to_string(code)}}),
                 static_cast<double>(count));
    }
  }
}

void durations_by_model(MetricSink& sink, const std::map<std::string, ModelSums>& models,
                        std::span<const double> bounds) {
  sink.family(
      {"outrider_request_duration_seconds", MetricType::histogram,
       "From a request's first byte until its response's last was handed to the client's socket."});
  for (const auto& [name, sums] : models) {
    // Where every request names its model, there is no "unknown" one to tell the latency of.
    if (name == tap::unknown_model && sums.durations == 0 && models.size() > 1) continue;
    sink.histogram(key("model_name", name),
                   {bounds, std::span(sums.buckets).first(bounds.size() + 1),
                    static_cast<double>(sums.nanoseconds) / 1e9});
  }
}

using Models = std::map<std::string, ModelSums>;

// One gauge a model that requests are told apart by.
void gauge_of_each(MetricSink& sink, const Models& models, std::string name, std::string help,
                   double value) {
  sink.family({std::move(name), MetricType::gauge, std::move(help)});
  for (const auto& [model, sums] : models) sink.value(key("model_name", model), value);
}

// Counters born with the objective: a ratio of the two is right from their second sample on,
// whatever was counted before. Nothing of an objective that is no bucket's bound: nobody could say
// how many requests kept it.
void latency_objective(MetricSink& sink, const Models& models, std::span<const double> bounds,
                       const monitor::Objectives::Latency& latency) {
  const auto bound = std::find(bounds.begin(), bounds.end(), latency.seconds);
  if (bound == bounds.end()) return;
  gauge_of_each(sink, models, "outrider_objective_latency_seconds",
                "What a request may take, by the model's objective.", latency.seconds);
  gauge_of_each(sink, models, "outrider_objective_latency_ratio",
                "Share of requests that take at most so long, by the model's objective.",
                latency.ratio);
  sink.family({"outrider_objective_latency_requests_total", MetricType::counter,
               "Requests by whether they took at most as long as the objective has it, `bound` in "
               "seconds."});
  const auto within_count = static_cast<std::size_t>(bound - bounds.begin()) + 1;
  for (const auto& [model, sums] : models) {
    const std::uint64_t within = std::accumulate(
        sums.buckets.begin(), sums.buckets.begin() + static_cast<std::ptrdiff_t>(within_count),
        std::uint64_t{0});
    for (const auto& [word, count] :
         {std::pair{"true", within}, std::pair{"false", sums.durations - within}}) {
      sink.value(
          SeriesKey(Labels{
              {"model_name", model}, {"bound", format_double(latency.seconds)}, {"within", word}}),
          static_cast<double>(count));
    }
  }
}

void objectives_of(MetricSink& sink, const Models& models, std::span<const double> bounds,
                   const monitor::Objectives& objectives) {
  if (objectives.availability) {
    gauge_of_each(
        sink, models, "outrider_objective_availability_ratio",
        "Share of requests that are answered, and not by a server error, by the model's objective.",
        *objectives.availability);
  }
  if (objectives.latency) latency_objective(sink, models, bounds, *objectives.latency);
  if (objectives.saturation) {
    gauge_of_each(sink, models, "outrider_objective_in_flight_requests",
                  "Requests in flight that are too many for one pod, by the model's objective.",
                  objectives.saturation->in_flight);
    gauge_of_each(sink, models, "outrider_objective_in_flight_wanted_requests",
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

// Calls by method and status. The series of "other" are there from the start, those of a method
// from its first call on, with all statuses: rate() does not see the first increase of one that
// comes later.
void grpc_calls(MetricSink& sink, const Lanes& lanes) {
  sink.family({"outrider_grpc_requests_total", MetricType::counter,
               "gRPC calls by method and by the status that the client was sent. Methods that no "
               "model server has are \"other\"."});
  constexpr std::size_t codes = std::tuple_size_v<tap::GrpcCodeCounts>;
  for (std::size_t method = 0; method < tap::grpc_method_labels; ++method) {
    std::array<double, codes> counts;
    for (std::size_t code = 0; code < codes; ++code)
      counts[code] = lanes.sum(
          [method, code](const ProxyCounters& c) { return std::cref(c.grpc_calls[method][code]); });
    const std::string word(tap::grpc_method_label(method));
    const bool is_called =
        std::any_of(counts.begin(), counts.end(), [](double n) { return n != 0; });
    if (!is_called && word != "other") continue;
    for (std::size_t code = 0; code < codes; ++code)
      sink.value(SeriesKey(Labels{
                     {"grpc_method", word},
                     {"grpc_code", std::string(tap::grpc_code_name(static_cast<int>(code)))}}),
                 counts[code]);
  }
}

// A proxy that passes no HTTP/2 on has no such series; one that does has all violations from the
// start.
void http2_and_grpc(MetricSink& sink, const Lanes& lanes, const tap::ProcessCells& processes) {
  if (processes.http2_on.get() == 0) return;
  sink.family({"outrider_http2_violations_total", MetricType::counter,
               "HTTP/2 streams and connections, of clients and of the upstream, that were ended or "
               "refused for breaking a rule or a limit, by reason."});
  for (std::size_t i = 1; i < http2::violation_count; ++i)
    sink.value(key("reason", to_string(static_cast<http2::Violation>(i))),
               lanes.sum([i](const ProxyCounters& c) { return std::cref(c.http2_violations[i]); }));
  grpc_calls(sink, lanes);
}

static_assert(tls::handshake_result_count <= std::tuple_size_v<tap::TlsHandshakeCounts>);

net::TlsFigures tls_figures(const tap::MemoryFile& file) {
  const Lanes lanes(file);
  const tap::ProcessCells& processes = file.processes();
  net::TlsFigures figures{.port = "proxy", .sides = {}};
  for (std::size_t side = 0; side < figures.sides.size(); ++side) {
    if (processes.tls_on[side].get() == 0) continue;
    net::TlsSideFigures& of_side = figures.sides[side].emplace();
    for (std::size_t result = 0; result < of_side.handshakes.size(); ++result) {
      of_side.handshakes[result] =
          static_cast<std::uint64_t>(lanes.sum([side, result](const ProxyCounters& c) {
            return std::cref(c.tls_handshakes[side][result]);
          }));
    }
    const std::uint64_t end = processes.tls_expiry[side].get();
    if (end != 0) of_side.expires_at = Time(std::chrono::seconds(end));
  }
  figures.reloads = processes.tls_reloads.get();
  figures.reload_failures = processes.tls_reload_failures.get();
  return figures;
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
    {"outrider_requests_of_other_models_total", counter,
     "Requests counted as model_name `other`: proxy.models-max names were taken, or the name is no "
     "text of at most 100 bytes.",
     &ProxyCounters::requests_of_other_models},
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

ProxyMetrics::ProxyMetrics(const tap::MemoryFile& file) : file_(file) {
  tls_.add([&file] { return tls_figures(file); });
}

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
  const Lanes lanes(file_);
  const auto models = sum_models(file_, model);
  requests_by_model(sink, models);
  sink.family({"outrider_requests_in_flight", gauge, "Requests whose response is not complete."});
  sink.value(key("model_name", model),
             lanes.sum([](const ProxyCounters& c) { return std::cref(c.requests_in_flight); }));
  durations_by_model(sink, models, file_.latency_bounds());
  objectives_of(sink, models, file_.latency_bounds(), objectives);
  sink.family({"outrider_proxy_overhead_seconds", MetricType::histogram,
               "Time that the proxy itself added: before the request was sent on, and from the "
               "response's arrival until it was."});
  lanes.histogram(sink, SeriesKey(), &ProxyCounters::overhead, tap::overhead_buckets);
  rejections(sink, lanes);
  upstream_failures(sink, lanes);
  http2_and_grpc(sink, lanes, file_.processes());
  tls_.collect(sink);
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
