// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a user sets of the agent: one table of options for command line, environment and file.

#include <cstdint>
#include <string>
#include <vector>

#include "base/config/options.h"
#include "base/core/clock.h"
#include "base/kafka/options.h"
#include "base/remote_write/options.h"
#include "base/web/access_options.h"
#include "base/web/client_options.h"
#include "base/web/tls_options.h"

namespace outrider {

struct AgentSettings {
  std::string listen_address = "127.0.0.1:9510";
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
  std::int64_t connections_max = 64;
  std::int64_t body_bytes_max = 8 << 20;
  std::int64_t open_incidents_max = 1'000;
  std::int64_t active_actions_max = 1'000;
  std::int64_t senders = 4;
  bool paused = false;
  std::string pause_file;
  std::vector<std::string> allowed_hosts;
  std::string signing_key_file;
  std::int64_t tickets_per_hour = 100;
  Duration reopen_window = std::chrono::hours(1);
  Duration group_within = std::chrono::minutes(10);
  std::string correlation_file;
  std::string github_secret_file;
  Duration look_every = std::chrono::seconds(2);
  Duration journal_age_max = std::chrono::hours(24 * 90);
  std::int64_t journal_bytes_max = std::int64_t{1} << 30;
  struct Ingest {
    std::int64_t series_max = 1'000'000;
    std::int64_t label_bytes_max = 256 << 20;
    std::int64_t decompressed_bytes_max = 32 << 20;
    std::int64_t in_flight_bytes_max = 128 << 20;
    std::int64_t labels_max = 64;
    std::int64_t label_value_bytes_max = 4096;
    std::int64_t kept_samples = 0;
    Duration ahead_max = std::chrono::minutes(10);
    Duration age_max = std::chrono::hours(24);
    Duration idle_after = std::chrono::hours(24);
  } ingest;
  struct Watch {
    std::string rules_file;
    double alerts_a_week = 20;
    std::int64_t watched_max = 200'000;
    std::int64_t histograms_max = 20'000;
    Duration quiet = std::chrono::minutes(15);
    Duration save_every = std::chrono::minutes(10);
  } watch;
  struct Forecast {
    std::string rules_file;
    std::int64_t series_max = 2'000;
    Duration learn_from = std::chrono::days(3);
    Duration every = std::chrono::seconds(15);
  } forecast;
  struct RightSize {
    Duration every{};  // 0: nobody asks.
    Duration history = std::chrono::days(7);
    std::string namespaces;
  } right_size;
  struct Diagnose {
    std::string queries_file;
    std::string loki_url, loki_tenant;  // "": Loki is not asked; without a tenant.
    web::ClientOptions loki;
    Duration baseline = std::chrono::hours(4);
    Duration step = std::chrono::seconds(30);
    Duration rate_window = std::chrono::minutes(2);
    Duration lead = std::chrono::minutes(3);
    Duration timeout = std::chrono::seconds(5);
    std::int64_t threads = 2;
  } diagnose;
  struct Kubernetes {
    std::string url;  // "": as a pod is told it.
    web::ClientOptions client;
    bool watch = false;
    std::vector<std::string> namespaces;
    std::string cluster;
    bool acts = false;  // The policy's `kubernetes:` actions.
    std::string lease;  // "NAMESPACE/NAME"; "": none.
  } kubernetes;
  struct Truth {
    bool enabled = false;
    std::int64_t bytes_max = std::int64_t{8} << 30;
    Duration max_delay = std::chrono::hours(24 * 30);
    Duration early = std::chrono::minutes(10);
    Duration probe_every = std::chrono::minutes(1);
    std::string peer_url;
    web::ClientOptions peer;  // As whom the other agent is told.
    kafka::Options kafka;     // Predictions and labels come from a topic.
    std::string kafka_group = "outrider";
    std::string kafka_instance;  // "": the host's name.
    Duration kafka_session_timeout = std::chrono::seconds(45);
  } truth;
  remote_write::Options remote_write;  // Where scores and the agent's own metrics go.
};

// The settings outlive the table.
void add_options(config::OptionTable& options, AgentSettings& settings);

}  // namespace outrider
