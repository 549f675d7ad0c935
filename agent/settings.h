// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a user sets of the agent: one table of options for command line, environment and file.

#include <cstdint>
#include <string>
#include <vector>

#include "base/config/options.h"
#include "base/core/clock.h"
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
  web::AccessOptions access;
  web::TlsOptions web_tls;
  web::ClientOptions prometheus, labels;  // As whom Prometheus and the sidecars are asked.
  std::int64_t connections_max = 64;
  std::int64_t body_bytes_max = 8 << 20;
  std::int64_t open_incidents_max = 1'000;
  std::int64_t active_actions_max = 1'000;
  std::int64_t senders = 4;
  Duration reopen_window = std::chrono::hours(1);
  Duration group_within = std::chrono::minutes(10);
  std::string correlation_file;
  Duration look_every = std::chrono::seconds(2);
  Duration journal_age_max = std::chrono::hours(24 * 90);
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
    Duration every = std::chrono::minutes(1);
  } forecast;
  struct Diagnose {
    std::string queries_file;
    Duration baseline = std::chrono::hours(4);
    Duration step = std::chrono::seconds(30);
    Duration rate_window = std::chrono::minutes(2);
    Duration lead = std::chrono::minutes(3);
    Duration timeout = std::chrono::seconds(5);
    std::int64_t threads = 2;
  } diagnose;
  struct Truth {
    bool enabled = false;
    std::int64_t bytes_max = std::int64_t{8} << 30;
    Duration max_delay = std::chrono::hours(24 * 30);
    Duration early = std::chrono::minutes(10);
    std::string peer_url;
    std::string peer_bearer_token_file;
  } truth;
  remote_write::Options remote_write;  // Where scores and the agent's own metrics go.
};

// The settings outlive the table.
void add_options(config::OptionTable& options, AgentSettings& settings);

}  // namespace outrider
