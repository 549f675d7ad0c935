// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a user sets of the agent: its rooms' settings, each with its defaults and its options, and
// what only the wiring needs. One table for command line, environment and file.

#include <cstdint>
#include <string>
#include <vector>

#include "agent/act/journal.h"
#include "agent/act/sender.h"
#include "agent/ahead/forecaster.h"
#include "agent/dispatch/dispatcher.h"
#include "agent/ingest/remote_write.h"
#include "agent/kubernetes/options.h"
#include "agent/models/right_size_watch.h"
#include "agent/suspects/diagnoser.h"
#include "agent/tickets/ticket_desk.h"
#include "agent/truth/fleet_truth.h"
#include "agent/watch/series_watch.h"
#include "base/config/options.h"
#include "base/core/clock.h"
#include "base/kafka/consumer.h"
#include "base/net/http_server.h"
#include "base/remote_write/options.h"
#include "base/web/access_options.h"
#include "base/web/client_options.h"
#include "base/web/tls_options.h"

namespace outrider {

struct AgentSettings {
  net::HttpServer::Settings server{.listen_address = "127.0.0.1:9510"};
  std::string data_dir = "outrider-agent-data";
  std::string policy_file;
  std::string prometheus_url;
  std::vector<std::string> label_sidecars;
  std::string bearer_token_file;
  std::string grafana_url;   // Where pages lead to; "": nowhere.
  std::string external_url;  // The agent's address for people; "": not known.
  web::AccessOptions access;
  web::TlsOptions web_tls;
  web::ClientOptions prometheus, labels;  // As whom Prometheus and the sidecars are asked.
  struct Incidents {
    Duration group_within = std::chrono::minutes(10);
    std::string correlation_file;
    std::string github_secret_file;
    Duration look_every = std::chrono::seconds(2);
  } incidents;
  struct Actions {
    std::int64_t senders = 4;
    bool paused = false;
    std::string pause_file;
  } actions;
  Dispatcher::Settings dispatch;
  act::Journal::Limits journal;
  act::Sender::Settings sending;
  tickets::TicketDesk::Settings tickets;
  ingest::RemoteWriteReceiver::Settings ingest;
  std::string series_rules_file;
  watch::SeriesWatch::Settings watch;
  std::string forecast_rules_file;
  ahead::Forecaster::Settings forecast;
  models::RightSizeWatch::Settings right_size;
  struct Diagnose {
    std::string queries_file;
    std::string loki_tenant;  // "": without one.
    web::ClientOptions loki;
    suspects::Diagnoser::Settings diagnoser;
  } diagnose;
  kubernetes::Options kubernetes;
  struct Truth {
    bool enabled = false;
    fleet::FleetTruth::Settings fleet;
    web::ClientOptions peer;             // As whom the other agent is told.
    kafka::Consumer::Settings kafka = {  // Predictions and labels come from a topic.
        .options = {},
        .group = "outrider",
        .instance = ""};  // "": the host's name.
  } truth;
  remote_write::Options remote_write;  // Where scores and the agent's own metrics go.
};

// The settings outlive the table.
void add_options(config::OptionTable& options, AgentSettings& settings);

}  // namespace outrider
