// SPDX-License-Identifier: Apache-2.0
#include "agent/parts.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <stdexcept>

#include "agent/query/prometheus.h"
#include "agent/watch/anomaly_alert.h"
#include "agent/watch/rules_file.h"
#include "base/config/yaml.h"
#include "base/net/metrics_page.h"
#include "base/net/tls_port.h"
#include "base/web/tls_port_of.h"

namespace outrider {
namespace {

constexpr std::size_t file_bytes_max = 1 << 20;

// Certificates and tokens of each question. The options outlive it.
std::function<Result<void>(net::ClientRequest&)> known_by(const web::ClientOptions& options) {
  return [&options](net::ClientRequest& request) { return options.apply(request); };
}

// A file of the user's, parsed; what is wrong with it ends the start.
template <class Parse>
auto read_with(const std::string& option, const std::string& file, const Parse& parse) {
  const auto text = config::read_file(file, file_bytes_max);
  if (!text) throw std::runtime_error(option + ": " + text.error().message);
  auto read = parse(file, *text);
  if (!read) throw std::runtime_error(read.error().message);
  return std::move(*read);
}

net::HttpServer::Settings server_settings(const AgentSettings& settings) {
  net::HttpServer::Settings made{.listen_address = settings.listen_address};
  made.connections_max = static_cast<int>(settings.connections_max);
  // Each sidecar that ships keeps a connection.
  if (settings.truth.enabled) made.connections_max = std::max(made.connections_max, 1024);
  made.body_bytes_max = static_cast<std::size_t>(settings.body_bytes_max);
  made.tls = web::tls_port(settings.web_tls, "web", "agent");
  return made;
}

// POST /api/v1/labels, for whoever does not know which pod made a prediction.
void add_label_route(net::Router& router, ingest::LabelForwarder& labels) {
  const auto sidecars = labels.resolve();
  // A name that does not resolve yet may do so later; an address that is none never will.
  if (!sidecars && sidecars.error().code == "bad_address") {
    throw std::runtime_error("labels.sidecars: " + sidecars.error().message);
  }
  router.add("POST", "/api/v1/labels",
             [&labels](const net::HttpRequest& request) { return labels.take(request); },
             {.role = net::Role::label});
}

suspects::Correlation correlation_of(const AgentSettings& settings) {
  suspects::Correlation made;
  if (const std::string& file = settings.correlation_file; !file.empty())
    made = read_with("incidents.correlation", file, suspects::parse_correlation);
  made.rules.within = settings.group_within;
  return made;
}

}  // namespace

Dispatcher::Dependencies make_dependencies(const AgentSettings& settings) {
  if (settings.prometheus_url.empty()) {
    return {.facts =
                [](const incident::Incident&, Time) {
                  incident::Facts facts;
                  facts.trouble = "no Prometheus is given (--prometheus.url)";
                  return facts;
                },
            .value = [](const std::string&) { return std::nullopt; }};
  }
  auto prometheus =
      std::make_shared<query::Prometheus>(settings.prometheus_url, known_by(settings.prometheus));
  return {
      .facts = [prometheus](const incident::Incident& incident,
                            Time now) { return query::gather_facts(*prometheus, incident, now); },
      .value = [prometheus](const std::string& promql) -> std::optional<double> {
        const auto answer = prometheus->query(promql);
        if (!answer) spdlog::warn("query {}: {}", promql, answer.error().message);
        if (!answer || answer->size() != 1) return std::nullopt;
        return answer->front().value;
      }};
}

Dispatcher::Settings dispatcher_settings(const AgentSettings& settings) {
  Dispatcher::Settings made;
  made.book.open_max = static_cast<std::size_t>(settings.open_incidents_max);
  made.book.reopen_window = settings.reopen_window;
  made.active_actions_max = static_cast<std::size_t>(settings.active_actions_max);
  return made;
}

Listener::Listener(const AgentSettings& agent) : settings(server_settings(agent)) {
  if (settings.tls) tls.add([port = settings.tls] { return port->figures(); });
  const auto guard = web::make_guard(
      agent.access, {.port = "agent", .single_token_file = agent.bearer_token_file});
  guards.add(guard);
  asks_for_credentials = !guard->is_open();
  settings.guard = guard;
}

std::unique_ptr<fleet::FleetTruth> truth_of(const AgentSettings& settings,
                                            bool asks_for_credentials, const Clock& clock) {
  if (!settings.truth.enabled) return nullptr;
  if (!settings.label_sidecars.empty()) {
    throw std::runtime_error(
        "labels.sidecars and truth.enabled: expected one of them; with truth.enabled the labels "
        "are joined here, with the predictions that sidecars ship (their --truth.url)");
  }
  fleet::FleetTruth::Settings made;
  made.folder = std::filesystem::path(settings.data_dir) / "truth";
  made.bytes_max = static_cast<std::uint64_t>(settings.truth.bytes_max);
  made.max_delay = settings.truth.max_delay;
  made.early_hold = std::min(settings.truth.early, settings.truth.max_delay);
  made.asks_for_token = asks_for_credentials;
  made.peer_url = settings.truth.peer_url;
  made.peer_bearer_token_file = settings.truth.peer_bearer_token_file;
  return std::make_unique<fleet::FleetTruth>(made, clock);
}

ingest::LabelForwarder::Settings forwarder_settings(const AgentSettings& settings) {
  return {.sidecars = settings.label_sidecars, .prepare = known_by(settings.labels)};
}

void add_truth_routes(net::Router& router, fleet::FleetTruth* fleet_truth,
                      ingest::LabelForwarder& labels) {
  if (fleet_truth) {
    fleet_truth->add_routes(router);
  } else {
    add_label_route(router, labels);
  }
}

void add_truth_collectors(std::vector<wire::Collector*>& collectors, fleet::FleetTruth* fleet_truth,
                          ingest::LabelForwarder& labels) {
  if (!fleet_truth) return collectors.push_back(&labels);
  const auto more = fleet_truth->collectors();
  collectors.insert(collectors.end(), more.begin(), more.end());
}

ingest::RemoteWriteReceiver::Settings receiver_settings(const AgentSettings::Ingest& settings) {
  ingest::RemoteWriteReceiver::Settings made;
  made.decompressed_bytes_max = static_cast<std::size_t>(settings.decompressed_bytes_max);
  made.admission.in_flight_bytes_max = static_cast<std::size_t>(settings.in_flight_bytes_max);
  made.request.labels.labels_max = static_cast<std::size_t>(settings.labels_max);
  made.request.labels.value_bytes_max = static_cast<std::size_t>(settings.label_value_bytes_max);
  made.table.series_max = static_cast<std::size_t>(settings.series_max);
  made.table.label_bytes_max = static_cast<std::size_t>(settings.label_bytes_max);
  made.table.kept_samples = static_cast<std::size_t>(settings.kept_samples);
  made.table.idle_after = settings.idle_after;
  made.ahead_max = settings.ahead_max;
  made.age_max = settings.age_max;
  return made;
}

void add_write_routes(net::Router& router, ingest::RemoteWriteReceiver& receiver,
                      watch::SeriesWatch& series_watch) {
  series_watch.set_directory([&receiver](std::size_t partition) -> const series::SeriesDirectory& {
    return receiver.directory(partition);
  });
  router.add("POST", "/api/v1/write",
             [&receiver](const net::HttpRequest& request) { return receiver.take(request); },
             {.role = net::Role::write});
  router.add("GET", "/api/v1/series",
             [&receiver](const net::HttpRequest& request) { return receiver.list(request); });
}

series::WatchRules watch_rules(const AgentSettings::Watch& settings) {
  if (settings.rules_file.empty()) return series::WatchRules::everything();
  return read_with("series.rules", settings.rules_file, watch::parse_rules);
}

watch::SeriesWatch::Settings watch_settings(const AgentSettings& settings, std::size_t partitions) {
  watch::SeriesWatch::Settings made;
  made.partitions = partitions;
  made.watched_max = static_cast<std::size_t>(settings.watch.watched_max);
  made.histograms_max = static_cast<std::size_t>(settings.watch.histograms_max);
  made.alerts_a_week = settings.watch.alerts_a_week;
  made.quiet = settings.watch.quiet;
  made.save_every = settings.watch.save_every;
  made.write_every = settings.remote_write.interval;
  made.state_file = settings.data_dir + "/series.state";
  return made;
}

watch::SeriesWatch::Dependencies watch_dependencies(Dispatcher& dispatcher,
                                                    remote_write::Sender* sender) {
  watch::SeriesWatch::Dependencies dependencies;
  dependencies.alerts = [&dispatcher](const wire::AlertWebhook& webhook) {
    dispatcher.receive(webhook);
  };
  dependencies.open_anomalies = [&dispatcher] { return dispatcher.firing(watch::anomaly_alert); };
  if (sender != nullptr) {
    dependencies.write = [sender](std::vector<remote_write::WriteSeries> series) {
      sender->append(std::move(series));
    };
  }
  return dependencies;
}

void add_anomaly_route(net::Router& router, watch::SeriesWatch& series_watch) {
  router.add("GET", "/api/v1/anomalies", [&series_watch](const net::HttpRequest&) {
    return net::json_response(200, series_watch.anomalies());
  });
}

void add_metrics_route(net::Router& router, std::vector<wire::Collector*> collectors,
                       watch::SeriesWatch& series_watch) {
  collectors.push_back(&series_watch.scores());
  router.add("GET", "/metrics", net::metrics_page(std::move(collectors)));
}

suspects::Diagnoser::Settings diagnoser_settings(const AgentSettings& settings,
                                                 std::vector<incident::Topology::Edge> configured) {
  suspects::Diagnoser::Settings made;
  made.prometheus_url = settings.prometheus_url;
  made.prepare = known_by(settings.prometheus);
  made.slices.prepare = known_by(settings.labels);
  made.queries = suspects::default_queries();
  if (const std::string& file = settings.diagnose.queries_file; !file.empty())
    made.queries = read_with("diagnose.queries", file, suspects::parse_queries);
  made.times.baseline = settings.diagnose.baseline;
  made.times.step = settings.diagnose.step;
  made.times.rate = settings.diagnose.rate_window;
  made.times.lead = settings.diagnose.lead;
  made.bounds.timeout = settings.diagnose.timeout;
  made.bounds.total = 4 * settings.diagnose.timeout;
  made.threads = static_cast<std::size_t>(settings.diagnose.threads);
  made.configured = std::move(configured);
  return made;
}

suspects::Diagnoser::Dependencies diagnoser_dependencies(Dispatcher& dispatcher,
                                                         const ingest::LabelForwarder& labels) {
  suspects::Diagnoser::Dependencies made;
  made.open = [&dispatcher] { return dispatcher.open_incidents(); };
  made.changes = [&dispatcher](Time since) { return dispatcher.changes_since(since); };
  made.give = [&dispatcher](const std::string& id, incident::Diagnosis diagnosis,
                            std::optional<incident::Slices> slices) {
    dispatcher.receive(id, std::move(diagnosis), std::move(slices));
  };
  made.topology = [&dispatcher](const incident::Topology& topology) {
    dispatcher.set_topology(topology);
  };
  made.sidecars = [&labels] { return labels.resolve(); };
  return made;
}

act::Journal::Limits journal_limits(const AgentSettings& settings) {
  act::Journal::Limits limits;
  limits.age_max = settings.journal_age_max;
  return limits;
}

std::unique_ptr<remote_write::Sender> sender_of(const AgentSettings& settings, const Clock& clock) {
  if (!settings.remote_write.enabled()) return nullptr;
  return std::make_unique<remote_write::Sender>(
      settings.remote_write, std::filesystem::path(settings.data_dir) / "remote-write", clock);
}

std::unique_ptr<ahead::Forecaster> forecaster_of(const AgentSettings& settings,
                                                 const Clock& clock) {
  if (settings.prometheus_url.empty() || settings.forecast.series_max == 0) return nullptr;
  auto rules = forecast::Rules::defaults();
  if (!settings.forecast.rules_file.empty())
    rules = read_with("forecast.rules", settings.forecast.rules_file, forecast::parse_rules);
  ahead::Forecaster::Settings made{.prometheus_url = settings.prometheus_url,
                                   .prepare = known_by(settings.prometheus)};
  made.series_max = static_cast<std::size_t>(settings.forecast.series_max);
  made.learn_from = settings.forecast.learn_from;
  made.every = settings.forecast.every;
  return std::make_unique<ahead::Forecaster>(std::move(rules), made, clock);
}

void add_forecast_route(net::Router& router, const ahead::Forecaster* forecaster) {
  router.add("GET", "/api/v1/forecasts", [forecaster](const net::HttpRequest&) {
    if (forecaster == nullptr) {
      return net::error_response(
          404, "not_forecasting",
          "nothing is forecast: give --prometheus.url, and --forecast.max-series "
          "above 0");
    }
    return net::HttpResponse{200, "application/json", forecaster->report()};
  });
}

suspects::Correlation restore(Dispatcher& dispatcher, const AgentSettings& settings) {
  suspects::Correlation correlation = correlation_of(settings);
  dispatcher.set_grouping(correlation.rules);
  dispatcher.restore();
  return correlation;
}

}  // namespace outrider
