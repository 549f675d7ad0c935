// SPDX-License-Identifier: Apache-2.0
#include "agent/app.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "agent/act/sender.h"
#include "agent/ahead/forecaster.h"
#include "agent/api/api.h"
#include "agent/dispatch/dispatcher.h"
#include "agent/ingest/labels.h"
#include "agent/ingest/remote_write.h"
#include "agent/own_export.h"
#include "agent/query/prometheus.h"
#include "agent/suspects/correlation_file.h"
#include "agent/suspects/diagnoser.h"
#include "agent/truth/fleet_truth.h"
#include "agent/watch/anomaly_alert.h"
#include "agent/watch/rules_file.h"
#include "agent/watch/series_watch.h"
#include "base/config/yaml.h"
#include "base/core/text.h"
#include "base/core/version.h"
#include "base/net/http_server.h"
#include "base/net/metrics_page.h"
#include "base/net/shutdown.h"
#include "base/net/tls_metrics.h"
#include "base/net/tls_port.h"
#include "base/web/make_guard.h"
#include "base/web/tls_port_of.h"

namespace outrider {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t policy_bytes_max = 1 << 20;
constexpr Duration keep_every = 10min;
constexpr Duration sender_wait = 200ms;

// The policy file and what its last reading came to.
class PolicyFile {
 public:
  PolicyFile(std::string path, Dispatcher& dispatcher, AgentMetrics& metrics, const Clock& clock)
      : path_(std::move(path)), dispatcher_(dispatcher), metrics_(metrics), clock_(clock) {}

  // A bad file changes nothing but trouble().
  Result<void> load() {
    if (path_.empty()) return {};
    const auto text = config::read_file(path_, policy_bytes_max);
    const auto policy =
        text ? decide::parse_policy(path_, *text) : Result<decide::Policy>(fail(text));
    metrics_.set_reload(policy.has_value(), clock_.now());
    std::lock_guard lock(mutex_);
    trouble_ = policy ? "" : policy.error().message;
    if (!policy) return fail(policy);
    dispatcher_.set_policy(std::make_shared<decide::Policy>(*policy));
    spdlog::info("policy {}: {} rules, {}", path_, policy->rules.size(),
                 policy->dry_run ? "dry run" : "live");
    return {};
  }

  std::string trouble() const {
    std::lock_guard lock(mutex_);
    return trouble_;
  }

 private:
  const std::string path_;
  Dispatcher& dispatcher_;
  AgentMetrics& metrics_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::string trouble_;
};

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
  auto prometheus = std::make_shared<query::Prometheus>(
      settings.prometheus_url,
      [&settings](net::ClientRequest& request) { return settings.prometheus.apply(request); });
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

net::HttpServer::Settings server_settings(const AgentSettings& settings) {
  net::HttpServer::Settings made{.listen_address = settings.listen_address};
  made.connections_max = static_cast<int>(settings.connections_max);
  // Each sidecar that ships keeps a connection.
  if (settings.truth.enabled) made.connections_max = std::max(made.connections_max, 1024);
  made.body_bytes_max = static_cast<std::size_t>(settings.body_bytes_max);
  made.tls = web::tls_port(settings.web_tls, "web", "agent");
  return made;
}

// The listener, and what tells of it.
struct Listener {
  explicit Listener(const AgentSettings& agent) : settings(server_settings(agent)) {
    if (settings.tls) tls.add([port = settings.tls] { return port->figures(); });
    const auto guard = web::make_guard(
        agent.access, {.port = "agent", .single_token_file = agent.bearer_token_file});
    guards.add(guard);
    settings.guard = guard;
  }

  bool asks_for_credentials() const { return !settings.guard->is_open(); }

  net::HttpServer::Settings settings;
  net::TlsMetrics tls;
  web::GuardMetrics guards;
};

// Null where sidecars keep their own predictions.
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
  return {.sidecars = settings.label_sidecars, .prepare = [&settings](net::ClientRequest& request) {
            return settings.labels.apply(request);
          }};
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

// Either of the two ways in which labels find their predictions.
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
  const auto text = config::read_file(settings.rules_file, policy_bytes_max);
  if (!text) throw std::runtime_error("series.rules: " + text.error().message);
  auto rules = watch::parse_rules(settings.rules_file, *text);
  if (!rules) throw std::runtime_error(rules.error().message);
  return std::move(*rules);
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

// The threads that look and send. They end when the dispatcher is stopped.
class Threads {
 public:
  Threads(Dispatcher& dispatcher, act::Journal& journal, AgentMetrics& metrics, const Clock& clock,
          const AgentSettings& settings)
      : dispatcher_(dispatcher) {
    threads_.emplace_back([this, &journal, &metrics, &clock, look_every = settings.look_every] {
      look_on(journal, metrics, clock, look_every);
    });
    for (std::int64_t i = 0; i < settings.senders; ++i) {
      threads_.emplace_back([this] { send_on(); });
    }
  }
  ~Threads() {
    stopping_ = true;
    dispatcher_.stop();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void look_on(act::Journal& journal, AgentMetrics& metrics, const Clock& clock,
               Duration look_every) {
    Time kept_at{};
    while (!stopping_) {
      try {
        dispatcher_.look();
        if (clock.now() - kept_at >= keep_every) {
          journal.prune(clock.now());
          kept_at = clock.now();
        }
      } catch (const act::JournalError& error) {
        metrics.count_journal_failure();
        spdlog::error("{}", error.what());
        dispatcher_.wait_for_news(1s);
      }
      dispatcher_.wait_for_news(look_every);
    }
  }

  void send_on() {
    act::Sender sender;
    while (!stopping_) {
      auto action = dispatcher_.take_due(sender_wait);
      if (!action) continue;
      const decide::Answer answer = action->stage == decide::Stage::watching
                                        ? sender.ask_job(*action)
                                        : sender.send(action->delivery);
      dispatcher_.give_back(std::move(*action), answer);
    }
  }

  Dispatcher& dispatcher_;
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
};

}  // namespace

namespace {

void add_anomaly_route(net::Router& router, watch::SeriesWatch& series_watch) {
  router.add("GET", "/api/v1/anomalies", [&series_watch](const net::HttpRequest&) {
    return net::json_response(200, series_watch.anomalies());
  });
}

// Scores are sent by the watch itself, under the labels of the series that they are about.
void add_metrics_route(net::Router& router, std::vector<wire::Collector*> collectors,
                       watch::SeriesWatch& series_watch) {
  collectors.push_back(&series_watch.scores());
  router.add("GET", "/metrics", net::metrics_page(std::move(collectors)));
}

suspects::Correlation correlation_of(const AgentSettings& settings) {
  suspects::Correlation made;
  if (const std::string& file = settings.correlation_file; !file.empty()) {
    const auto text = config::read_file(file, policy_bytes_max);
    if (!text) throw std::runtime_error("incidents.correlation: " + text.error().message);
    auto read = suspects::parse_correlation(file, *text);
    if (!read) throw std::runtime_error(read.error().message);
    made = std::move(*read);
  }
  made.rules.within = settings.group_within;
  return made;
}

suspects::Diagnoser::Settings diagnoser_settings(const AgentSettings& settings,
                                                 std::vector<incident::Topology::Edge> configured) {
  suspects::Diagnoser::Settings made;
  made.prometheus_url = settings.prometheus_url;
  made.prepare = [&settings](net::ClientRequest& request) {
    return settings.prometheus.apply(request);
  };
  made.slices.prepare = [&settings](net::ClientRequest& request) {
    return settings.labels.apply(request);
  };
  made.queries = suspects::default_queries();
  if (const std::string& file = settings.diagnose.queries_file; !file.empty()) {
    const auto text = config::read_file(file, policy_bytes_max);
    if (!text) throw std::runtime_error("diagnose.queries: " + text.error().message);
    auto queries = suspects::parse_queries(file, *text);
    if (!queries) throw std::runtime_error(queries.error().message);
    made.queries = std::move(*queries);
  }
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

// Nothing without a Prometheus, or when nothing is to be forecast.
std::unique_ptr<ahead::Forecaster> forecaster_of(const AgentSettings& settings,
                                                 const Clock& clock) {
  if (settings.prometheus_url.empty() || settings.forecast.series_max == 0) return nullptr;
  auto rules = forecast::Rules::defaults();
  if (!settings.forecast.rules_file.empty()) {
    const auto text = config::read_file(settings.forecast.rules_file, policy_bytes_max);
    if (!text) throw std::runtime_error("forecast.rules: " + text.error().message);
    auto read = forecast::parse_rules(settings.forecast.rules_file, *text);
    if (!read) throw std::runtime_error(read.error().message);
    rules = std::move(*read);
  }
  ahead::Forecaster::Settings made{.prometheus_url = settings.prometheus_url,
                                   .prepare = [&settings](net::ClientRequest& request) {
                                     return settings.prometheus.apply(request);
                                   }};
  made.series_max = static_cast<std::size_t>(settings.forecast.series_max);
  made.learn_from = settings.forecast.learn_from;
  made.every = settings.forecast.every;
  return std::make_unique<ahead::Forecaster>(std::move(rules), made, clock);
}

// 404 with a word where nothing is forecast.
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

void wait_until_told_to_stop(const net::Signals& signals, PolicyFile& policy) {
  while (signals.wait() == net::Signal::reload) {
    if (auto loaded = policy.load(); !loaded) {
      spdlog::error("the policy before stays in force: {}", loaded.error().message);
    }
  }
  spdlog::info("stopping: started requests are finished, what is queued stays in the journal");
}

}  // namespace

namespace {

// The journal's incidents under the rules that are in force now.
suspects::Correlation restore(Dispatcher& dispatcher, const AgentSettings& settings) {
  suspects::Correlation correlation = correlation_of(settings);
  dispatcher.set_grouping(correlation.rules);
  dispatcher.restore();
  return correlation;
}

std::vector<wire::Collector*> with_sender(std::vector<wire::Collector*> collectors,
                                          remote_write::Sender* sender) {
  if (sender != nullptr) collectors.push_back(sender);
  return collectors;
}

}  // namespace

int run_agent(const AgentSettings& settings) {
  const net::Signals signals;
  const SystemClock clock;
  AgentMetrics metrics;
  act::Journal journal(settings.data_dir + "/agent.db", journal_limits(settings));
  Dispatcher dispatcher(dispatcher_settings(settings), clock, journal, metrics,
                        make_dependencies(settings));
  const suspects::Correlation correlation = restore(dispatcher, settings);
  PolicyFile policy(settings.policy_file, dispatcher, metrics, clock);
  if (auto loaded = policy.load(); !loaded) throw std::runtime_error(loaded.error().message);
  std::atomic<bool> ready = false;
  net::Router router;
  api::add_routes(router, {.dispatcher = &dispatcher,
                           .journal = &journal,
                           .metrics = &metrics,
                           .clock = &clock,
                           .reload = [&policy] { return policy.load(); },
                           .ready = [&ready] { return ready.load(); },
                           .policy_trouble = [&policy] { return policy.trouble(); },
                           .has_policy = !settings.policy_file.empty()});
  Listener listener(settings);
  ingest::LabelForwarder labels(forwarder_settings(settings));
  const auto fleet_truth = truth_of(settings, listener.asks_for_credentials(), clock);
  add_truth_routes(router, fleet_truth.get(), labels);
  // Ends after the watch and the export, which append to it.
  const std::unique_ptr<remote_write::Sender> sender = sender_of(settings, clock);
  const auto receiver_set = receiver_settings(settings.ingest);
  watch::SeriesWatch series_watch(watch_settings(settings, receiver_set.partitions),
                                  watch_rules(settings.watch), clock,
                                  watch_dependencies(dispatcher, sender.get()));
  ingest::RemoteWriteReceiver receiver(receiver_set, clock, &series_watch);
  add_write_routes(router, receiver, series_watch);
  add_anomaly_route(router, series_watch);
  const std::unique_ptr<ahead::Forecaster> forecaster = forecaster_of(settings, clock);
  add_forecast_route(router, forecaster.get());
  net::ProcessCollector process;
  std::vector<wire::Collector*> collectors = {&metrics,      &receiver,        &series_watch,
                                              &listener.tls, &listener.guards, &process};
  add_truth_collectors(collectors, fleet_truth.get(), labels);
  if (forecaster) collectors.push_back(forecaster.get());
  if (sender) collectors.push_back(sender.get());
  add_metrics_route(router, collectors, series_watch);
  net::HttpServer server(listener.settings, std::move(router));
  const Threads threads(dispatcher, journal, metrics, clock, settings);
  std::optional<OwnExport> own_export;
  if (sender) own_export.emplace(settings.remote_write, collectors, server.port(), *sender, clock);
  std::optional<suspects::Diagnoser> diagnoser(std::in_place,
                                               diagnoser_settings(settings, correlation.depends),
                                               clock, diagnoser_dependencies(dispatcher, labels));
  series_watch.start();
  if (forecaster) forecaster->start();
  ready = true;
  spdlog::info("{} listens on port {}, journal in {}", version_line("outrider-agent"),
               server.port(), settings.data_dir);

  wait_until_told_to_stop(signals, policy);
  ready = false;
  server.stop();
  diagnoser.reset();
  if (fleet_truth) fleet_truth->stop(1s);
  series_watch.stop();
  if (forecaster) forecaster->stop();
  own_export.reset();
  if (sender && !sender->stop(settings.remote_write.flush_deadline)) {
    spdlog::warn("not all was sent by remote write; the rest is queued for the next start");
  }
  return 0;
}

}  // namespace outrider
