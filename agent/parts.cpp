// SPDX-License-Identifier: Apache-2.0
#include "agent/parts.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <random>
#include <stdexcept>

#include "agent/act/outgoing.h"
#include "agent/incident/earlier.h"
#include "agent/kubernetes/executor.h"
#include "agent/query/prometheus.h"
#include "agent/watch/anomaly_alert.h"
#include "agent/watch/rules_file.h"
#include "base/config/yaml.h"
#include "base/core/text.h"
#include "base/net/address.h"
#include "base/net/metrics_page.h"
#include "base/net/tls_port.h"
#include "base/web/tls_port_of.h"

namespace outrider {
namespace {

constexpr std::size_t file_bytes_max = 1 << 20;
constexpr std::size_t secret_bytes_max = 4 << 10;
constexpr std::size_t cases_looked_at = 50;  // Earlier incidents of a model or workload.

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
  net::HttpServer::Settings made = settings.server;
  // Each sidecar that ships keeps a connection.
  if (settings.truth.enabled) made.connections_max = std::max(made.connections_max, 1024);
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
  if (const std::string& file = settings.incidents.correlation_file; !file.empty())
    made = read_with("incidents.correlation", file, suspects::parse_correlation);
  made.rules.within = settings.incidents.group_within;
  return made;
}

kubernetes::Client::Settings kubernetes_client(const kubernetes::Options& options) {
  auto made = options.client_settings();
  if (!made) throw std::runtime_error(made.error().message);
  return std::move(*made);
}

// Its address has no placeholder.
std::string ticket_url(const decide::Target& target) {
  const auto sample = target.render([](std::string_view) { return wire::Json("x"); });
  const auto parsed =
      sample ? tickets::parse_target(*sample) : Result<tickets::Target>(fail(sample));
  return parsed ? parsed->url : "";
}

}  // namespace

Dispatcher::Dependencies make_dependencies(const AgentSettings& settings) {
  if (settings.prometheus_url.empty()) return {};
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
      },
      .ask = asker_of(settings)};
}

decide::Executors make_executors(
    const AgentSettings& settings, const Clock& clock,
    std::function<Result<void>(kubernetes::Client&, std::int64_t)> check_lease,
    std::shared_ptr<tickets::TicketDesk> ticket_desk) {
  decide::Executors made;
  made.emplace(ticket_desk->name(), ticket_desk);
  if (settings.kubernetes.acts) {
    auto executor = std::make_shared<kubernetes::KubernetesExecutor>(
        kubernetes::KubernetesExecutor::Settings{.client = kubernetes_client(settings.kubernetes),
                                                 .check_lease = std::move(check_lease)},
        clock);
    made.emplace(executor->name(), executor);
  }
  return made;
}

std::unique_ptr<kubernetes::LeaseHolder> lease_of(const kubernetes::Options& settings,
                                                  const Clock& clock,
                                                  std::function<void()> changed) {
  if (settings.lease.empty()) return nullptr;
  const auto name = kubernetes::parse_lease_name(settings.lease);
  if (!name) throw std::runtime_error(name.error().message);
  const std::string host = net::host_name();
  // Another for each process: who starts anew is another holder, under another number.
  std::random_device random;
  kubernetes::LeaseHolder::Settings made;
  made.client = kubernetes_client(settings);
  made.name_space = name->first;
  made.name = name->second;
  made.holder =
      (host.empty() ? "agent" : host) + "-" + std::to_string(random()) + std::to_string(random());
  return std::make_unique<kubernetes::LeaseHolder>(std::move(made), clock, std::move(changed));
}

Result<void> check_hosts(const decide::Policy& policy, const std::vector<std::string>& allowed) {
  for (const decide::Rule& rule : policy.rules) {
    std::vector<const decide::Webhook*> webhooks;
    const bool is_one = rule.abstain.empty() && rule.steps.empty();
    if (is_one && rule.target.executor.empty()) webhooks.push_back(&rule.webhook);
    if (rule.undo) webhooks.push_back(&*rule.undo);
    std::vector<const decide::Target*> targets = {&rule.target};
    for (const decide::StepRule& step : rule.steps) {
      if (step.target.executor.empty()) webhooks.push_back(&step.webhook);
      if (step.undo) webhooks.push_back(&*step.undo);
      targets.push_back(&step.target);
    }
    std::vector<std::string> urls;
    for (const decide::Webhook* webhook : webhooks) urls.emplace_back(webhook->url.leading_text());
    for (const decide::Target* target : targets) {
      if (target->executor == "ticket") urls.push_back(ticket_url(*target));
    }
    for (const std::string& url : urls) {
      const auto fits = act::check_host(url, allowed);
      if (!fits) return fail("host_not_allowed", "rule " + rule.name + ": " + fits.error().message);
    }
  }
  return {};
}

std::function<decide::Answered(const std::string&)> asker_of(const AgentSettings& settings) {
  if (settings.prometheus_url.empty()) {
    return [](const std::string&) -> decide::Answered {
      return {.values = std::nullopt, .trouble = "no Prometheus is given (--prometheus.url)"};
    };
  }
  auto prometheus =
      std::make_shared<query::Prometheus>(settings.prometheus_url, known_by(settings.prometheus));
  return [prometheus](const std::string& promql) -> decide::Answered {
    const auto answer = prometheus->query(promql);
    if (!answer) return {.values = std::nullopt, .trouble = answer.error().message};
    std::vector<double> values;
    for (const query::InstantValue& one : *answer) values.push_back(one.value);
    return {.values = std::move(values), .trouble = ""};
  };
}

Dispatcher::Settings dispatcher_settings(const AgentSettings& settings) {
  Dispatcher::Settings made = settings.dispatch;
  made.held_every = settings.incidents.look_every;
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

std::function<Result<std::string>()> github_secret_of(const AgentSettings& settings) {
  const std::string& file = settings.incidents.github_secret_file;
  if (file.empty()) return nullptr;
  const auto read = [file]() -> Result<std::string> {
    const auto text = config::read_file(file, secret_bytes_max);
    if (!text) return fail("no_secret", "changes.github-secret-file: " + text.error().message);
    const std::string secret(trim(*text));
    if (secret.empty())
      return fail("no_secret", "changes.github-secret-file: " + file + " is empty");
    return secret;
  };
  if (const auto secret = read(); !secret) throw std::runtime_error(secret.error().message);
  return read;
}

std::unique_ptr<fleet::FleetTruth> truth_of(const AgentSettings& settings,
                                            bool asks_for_credentials,
                                            fleet::TopicLabels* topic_labels, const Clock& clock) {
  if (!settings.truth.enabled) return nullptr;
  if (!settings.label_sidecars.empty()) {
    throw std::runtime_error(
        "labels.sidecars and truth.enabled: expected one of them; with truth.enabled the labels "
        "are joined here, with the predictions that sidecars ship (their --truth.url)");
  }
  fleet::FleetTruth::Settings made = settings.truth.fleet;
  made.folder = std::filesystem::path(settings.data_dir) / "truth";
  made.early_hold = std::min(made.early_hold, made.max_delay);
  made.asks_for_token = asks_for_credentials;
  made.peer = known_by(settings.truth.peer);
  if (topic_labels) {
    made.early_hold = Duration::zero();  // What reads the topic holds labels.
    made.labels_elsewhere = [topic_labels](const net::HttpRequest& request) {
      return topic_labels->take(request);
    };
  }
  return std::make_unique<fleet::FleetTruth>(made, clock);
}

std::unique_ptr<fleet::TopicLabels> topic_labels_of(const AgentSettings& settings) {
  const auto& truth = settings.truth;
  const kafka::Options& kafka = truth.kafka.options;
  if (!kafka.enabled()) return nullptr;
  const auto refuse = [](const std::string& what) { throw std::runtime_error(what); };
  if (auto ok = kafka.check("truth.kafka"); !ok) refuse(ok.error().message);
  if (!truth.enabled) refuse("truth.kafka.brokers needs truth.enabled: the agent keeps the log");
  if (!truth.fleet.peer_url.empty()) {
    refuse(
        "truth.peer-url and truth.kafka.brokers: expected one of them; agents that read a topic "
        "share it among themselves");
  }
  if (truth.kafka.group.empty()) refuse("truth.kafka.group: expected a name");
  return std::make_unique<fleet::TopicLabels>(kafka);
}

std::unique_ptr<fleet::TopicReader> topic_reader_of(const AgentSettings& settings,
                                                    fleet::FleetTruth* fleet_truth,
                                                    fleet::TopicLabels* topic_labels,
                                                    const Clock& clock) {
  if (!topic_labels) return nullptr;
  fleet::TopicReader::Settings made;
  made.folder = std::filesystem::path(settings.data_dir) / "truth";
  made.consumer = settings.truth.kafka;
  if (made.consumer.instance.empty()) made.consumer.instance = net::host_name();
  made.join.early = std::min(settings.truth.fleet.early_hold, settings.truth.fleet.max_delay);
  return std::make_unique<fleet::TopicReader>(
      made, fleet_truth->log(),
      [topic_labels](const std::vector<truth::KeyedRecord>& records) {
        return topic_labels->publish(records);
      },
      topic_labels->troubles(), clock);
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

void add_write_routes(net::Router& router, ingest::RemoteWriteReceiver& receiver,
                      watch::SeriesWatch& series_watch) {
  series_watch.set_directory([&receiver](std::size_t partition) -> const series::SeriesDirectory& {
    return receiver.directory(partition);
  });
  router.add("POST", "/api/v1/write",
             [&receiver](const net::HttpRequest& request) { return receiver.take(request); },
             {.role = net::Role::write, .handler_checks_scope = true});
  router.add("GET", "/api/v1/series",
             [&receiver](const net::HttpRequest& request) { return receiver.list(request); },
             {.role = net::Role::read, .handler_checks_scope = true});
}

series::WatchRules watch_rules(const AgentSettings& settings) {
  if (settings.series_rules_file.empty()) return series::WatchRules::everything();
  return read_with("series.rules", settings.series_rules_file, watch::parse_rules);
}

watch::SeriesWatch::Settings watch_settings(const AgentSettings& settings) {
  watch::SeriesWatch::Settings made = settings.watch;
  made.partitions = settings.ingest.partitions;
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

query::Prometheus::Prepare known_by_loki(const AgentSettings::Diagnose& settings) {
  return [&settings](net::ClientRequest& request) {
    if (!settings.loki_tenant.empty())
      request.headers.push_back({"X-Scope-OrgID", settings.loki_tenant});
    return settings.loki.apply(request);
  };
}

suspects::QuerySet queries_of(const AgentSettings::Diagnose& settings) {
  if (settings.queries_file.empty()) return suspects::default_queries();
  auto queries = read_with("diagnose.queries", settings.queries_file, suspects::parse_queries);
  if (settings.diagnoser.loki_url.empty() && suspects::asks_loki(queries)) {
    throw std::runtime_error("diagnose.queries: " + settings.queries_file +
                             " has a query `from: loki`: give --loki.url too");
  }
  return queries;
}

suspects::Diagnoser::Settings diagnoser_settings(const AgentSettings& settings,
                                                 std::vector<incident::Topology::Edge> configured) {
  suspects::Diagnoser::Settings made = settings.diagnose.diagnoser;
  made.prometheus_url = settings.prometheus_url;
  made.prepare = known_by(settings.prometheus);
  made.loki_prepare = known_by_loki(settings.diagnose);
  made.slices.prepare = known_by(settings.labels);
  made.queries = queries_of(settings.diagnose);
  made.bounds.total = 4 * made.bounds.timeout;
  made.configured = std::move(configured);
  return made;
}

suspects::Diagnoser::Dependencies diagnoser_dependencies(Dispatcher& dispatcher,
                                                         const act::Journal& journal,
                                                         const ingest::LabelForwarder& labels,
                                                         const kubernetes::Watcher* watcher) {
  suspects::Diagnoser::Dependencies made;
  made.each_open = [&dispatcher](const std::function<void(const incident::Incident&)>& visit) {
    dispatcher.each_open(visit);
  };
  made.incident = [&dispatcher](const std::string& id) { return dispatcher.incident(id); };
  made.changes = [&dispatcher](Time since) { return dispatcher.changes_since(since); };
  made.give = [&dispatcher](const std::string& id, incident::Diagnosis diagnosis,
                            std::optional<incident::Slices> slices) {
    dispatcher.receive(id, std::move(diagnosis), std::move(slices));
  };
  made.topology = [&dispatcher](const incident::Topology& topology) {
    dispatcher.set_topology(topology);
  };
  made.sidecars = [&labels] { return labels.resolve(); };
  made.earlier = [&journal](const incident::Incident& incident,
                            const incident::Diagnosis& diagnosis) {
    std::vector<incident::PastCase> cases;
    for (incident::Incident& past : journal.ended_like(incident.identity(), cases_looked_at)) {
      incident::PastCase& one = cases.emplace_back(incident::PastCase{std::move(past), {}});
      for (const decide::Action& action : journal.actions_of(one.incident.id)) {
        if (!decide::changes_production(action.kind)) continue;  // Told of, not done.
        one.actions.push_back({std::string(decide::name(action.kind)),
                               std::string(decide::name(action.outcome)), action.first_attempt_at});
      }
    }
    return incident::earlier_like(incident, diagnosis, cases);
  };
  if (watcher != nullptr) made.owners = [watcher] { return watcher->owner_edges(); };
  return made;
}

std::unique_ptr<kubernetes::Watcher> watcher_of(const kubernetes::Options& settings,
                                                Dispatcher& dispatcher, const Clock& clock) {
  if (!settings.watch) return nullptr;
  kubernetes::Watcher::Settings made;
  made.client = kubernetes_client(settings);
  made.namespaces = settings.namespaces;
  made.cluster = settings.cluster;
  auto watcher = std::make_unique<kubernetes::Watcher>(
      std::move(made), clock,
      [&dispatcher](const incident::Change& change) { dispatcher.receive(change); });
  watcher->start();
  return watcher;
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
  if (!settings.forecast_rules_file.empty())
    rules = read_with("forecast.rules", settings.forecast_rules_file, forecast::parse_rules);
  ahead::Forecaster::Settings made = settings.forecast;
  made.prometheus_url = settings.prometheus_url;
  made.prepare = known_by(settings.prometheus);
  return std::make_unique<ahead::Forecaster>(std::move(rules), made, clock);
}

void add_forecast_route(net::Router& router, const ahead::Forecaster* forecaster) {
  router.add("GET", "/api/v1/forecasts", [forecaster](const net::HttpRequest& request) {
    if (forecaster == nullptr) {
      return net::error_response(
          404, "not_forecasting",
          "nothing is forecast: give --prometheus.url, and --forecast.max-series "
          "above 0");
    }
    incident::Identity who{request.query_value("cluster"), request.query_value("namespace"),
                           request.query_value("workload"), request.query_value("model"), ""};
    if (who == incident::Identity{})
      return net::HttpResponse{200, "application/json", forecaster->report()};
    const auto wanted = [&who](const Labels& labels) {
      incident::Identity asked = who;
      if (asked.model.empty()) asked.model = incident::identity_of(labels).model;
      return models::is_about(labels, asked);
    };
    return net::HttpResponse{200, "application/json", forecaster->report(wanted)};
  });
}

std::unique_ptr<models::RightSizeWatch> right_size_of(const AgentSettings& settings,
                                                      const Clock& clock) {
  models::RightSizeWatch::Settings made = settings.right_size;
  if (made.every == Duration{}) return nullptr;
  if (settings.prometheus_url.empty())
    throw std::runtime_error("right-size.every: expected --prometheus.url beside it");
  made.prometheus_url = settings.prometheus_url;
  made.prepare = known_by(settings.prometheus);
  return std::make_unique<models::RightSizeWatch>(std::move(made), clock);
}

std::unique_ptr<models::ModelWatch> model_watch_of(const AgentSettings& settings,
                                                   const ahead::Forecaster* forecaster,
                                                   const Clock& clock) {
  if (settings.prometheus_url.empty()) return nullptr;
  models::ModelWatch::Settings made{.prometheus_url = settings.prometheus_url,
                                    .prepare = known_by(settings.prometheus)};
  made.step = settings.diagnose.diagnoser.times.step;
  made.rate = settings.diagnose.diagnoser.times.rate;
  if (forecaster != nullptr) {
    made.forecasts = [forecaster] { return forecaster->report(); };
    made.forecasts_of = [forecaster](const auto& wanted) { return forecaster->report(wanted); };
  }
  return std::make_unique<models::ModelWatch>(std::move(made), clock);
}

suspects::Correlation restore(Dispatcher& dispatcher, const AgentSettings& settings) {
  suspects::Correlation correlation = correlation_of(settings);
  dispatcher.set_grouping(correlation.rules);
  dispatcher.restore();
  return correlation;
}

}  // namespace outrider
