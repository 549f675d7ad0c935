// SPDX-License-Identifier: Apache-2.0
#pragma once

// What each part of the agent is made from: its settings out of the agent's, what it needs of the
// others, and its routes. What is wrong with a setting or a file throws, with a message for the
// user. The settings outlive all of it.

#include <memory>
#include <vector>

#include "agent/act/journal.h"
#include "agent/act/sender.h"
#include "agent/ahead/forecaster.h"
#include "agent/dispatch/dispatcher.h"
#include "agent/ingest/labels.h"
#include "agent/ingest/remote_write.h"
#include "agent/kubernetes/client.h"
#include "agent/kubernetes/lease_holder.h"
#include "agent/kubernetes/watcher.h"
#include "agent/models/model_watch.h"
#include "agent/models/right_size_watch.h"
#include "agent/settings.h"
#include "agent/suspects/correlation_file.h"
#include "agent/suspects/diagnoser.h"
#include "agent/tickets/ticket_desk.h"
#include "agent/truth/fleet_truth.h"
#include "agent/truth/topic_labels.h"
#include "agent/truth/topic_reader.h"
#include "agent/watch/series_watch.h"
#include "base/net/http_server.h"
#include "base/net/tls_metrics.h"
#include "base/remote_write/sender.h"
#include "base/web/make_guard.h"

namespace outrider {

// The listener, and what tells of it.
struct Listener {
  explicit Listener(const AgentSettings& agent);

  net::HttpServer::Settings settings;
  bool asks_for_credentials = false;
  net::TlsMetrics tls;
  web::GuardMetrics guards;
};

Dispatcher::Settings dispatcher_settings(const AgentSettings& settings);
Dispatcher::Dependencies make_dependencies(const AgentSettings& settings);
// The journal's incidents, under the rules that are in force now.
suspects::Correlation restore(Dispatcher& dispatcher, const AgentSettings& settings);

// Reads the secret of GitHub's webhooks at each of them; null: there is none.
std::function<Result<std::string>()> github_secret_of(const AgentSettings& settings);

// Null where sidecars keep their own predictions.
std::unique_ptr<fleet::FleetTruth> truth_of(const AgentSettings& settings,
                                            bool asks_for_credentials,
                                            fleet::TopicLabels* topic_labels, const Clock& clock);
// Predictions and labels by way of a topic; each null without one.
std::unique_ptr<fleet::TopicLabels> topic_labels_of(const AgentSettings& settings);
std::unique_ptr<fleet::TopicReader> topic_reader_of(const AgentSettings& settings,
                                                    fleet::FleetTruth* fleet_truth,
                                                    fleet::TopicLabels* topic_labels,
                                                    const Clock& clock);
ingest::LabelForwarder::Settings forwarder_settings(const AgentSettings& settings);
// Either of the two ways in which labels find their predictions.
void add_truth_routes(net::Router& router, fleet::FleetTruth* fleet_truth,
                      ingest::LabelForwarder& labels);
void add_truth_collectors(std::vector<wire::Collector*>& collectors, fleet::FleetTruth* fleet_truth,
                          ingest::LabelForwarder& labels);

void add_write_routes(net::Router& router, ingest::RemoteWriteReceiver& receiver,
                      watch::SeriesWatch& series_watch);

series::WatchRules watch_rules(const AgentSettings& settings);
watch::SeriesWatch::Settings watch_settings(const AgentSettings& settings);
watch::SeriesWatch::Dependencies watch_dependencies(Dispatcher& dispatcher,
                                                    remote_write::Sender* sender);
void add_anomaly_route(net::Router& router, watch::SeriesWatch& series_watch);
// Scores are sent by the watch itself, under the labels of the series that they are about.
void add_metrics_route(net::Router& router, std::vector<wire::Collector*> collectors,
                       watch::SeriesWatch& series_watch);

// What the policy's rules may name instead of a webhook, by name. `check_lease`: empty where no
// lease is needed.
decide::Executors make_executors(
    const AgentSettings& settings, const Clock& clock,
    std::function<Result<void>(kubernetes::Client&, std::int64_t fencing_number)> check_lease,
    std::shared_ptr<tickets::TicketDesk> ticket_desk);
// Null where none is asked for; to be started.
std::unique_ptr<kubernetes::LeaseHolder> lease_of(const kubernetes::Options& settings,
                                                  const Clock& clock,
                                                  std::function<void()> changed);
// Whether webhooks and tickets go to hosts that are allowed. Error "host_not_allowed", with the
// rule.
Result<void> check_hosts(const decide::Policy& policy, const std::vector<std::string>& allowed);
// Prometheus for a worker of its own: what a condition's expression answers.
std::function<decide::Answered(const std::string&)> asker_of(const AgentSettings& settings);

suspects::Diagnoser::Settings diagnoser_settings(const AgentSettings& settings,
                                                 std::vector<incident::Topology::Edge> configured);
suspects::Diagnoser::Dependencies diagnoser_dependencies(Dispatcher& dispatcher,
                                                         const act::Journal& journal,
                                                         const ingest::LabelForwarder& labels,
                                                         const kubernetes::Watcher* watcher);

// Started; null where the cluster is not watched. Its changes go to the dispatcher.
std::unique_ptr<kubernetes::Watcher> watcher_of(const kubernetes::Options& settings,
                                                Dispatcher& dispatcher, const Clock& clock);

// Null without a Prometheus, or when nothing is to be forecast.
std::unique_ptr<ahead::Forecaster> forecaster_of(const AgentSettings& settings, const Clock& clock);
// 404 with a word where nothing is forecast.
void add_forecast_route(net::Router& router, const ahead::Forecaster* forecaster);

// What the pages show of Prometheus; null without one.
std::unique_ptr<models::ModelWatch> model_watch_of(const AgentSettings& settings,
                                                   const ahead::Forecaster* forecaster,
                                                   const Clock& clock);

// Null without a Prometheus, or where nobody is to ask what containers use.
std::unique_ptr<models::RightSizeWatch> right_size_of(const AgentSettings& settings,
                                                      const Clock& clock);

// Null where nothing goes out by remote write.
std::unique_ptr<remote_write::Sender> sender_of(const AgentSettings& settings, const Clock& clock);

}  // namespace outrider
