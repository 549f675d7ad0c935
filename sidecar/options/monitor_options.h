// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a user sets of the monitor. The proxy's program parses it too, to report every mistake at
// once and to know how patient its supervisor is, so nothing here needs what the monitor is made
// of.

#include <cstdint>
#include <string>

#include "base/config/options.h"
#include "base/core/clock.h"
#include "base/remote_write/options.h"
#include "base/web/access_options.h"
#include "base/web/tls_options.h"
#include "sidecar/options/scrape_options.h"
#include "sidecar/options/shipping_options.h"

namespace outrider {

// The variables must outlive the table they are added to.
struct MonitorOptions {
  std::string listen_address = "0.0.0.0:9501";
  std::string telemetry_path = "/metrics";
  std::string labels_listen_address;  // "": labels and training data stand on listen_address.
  std::string labels_bearer_token_file;
  web::AccessOptions access;  // Of both ports, but for passwords: of the admin API's alone.
  web::TlsOptions web_tls;
  web::TlsOptions labels_tls;  // Without a directory: as web_tls, rules and all.
  std::string data_dir = "data";
  std::string model_config;  // "": everything is inferred.
  std::string reference;     // Overrides the model configuration's.
  bool check_alone = false;  // Says whether the configuration is right, and serves nothing.
  std::int64_t memory_bytes_max = std::int64_t{512}
                                  << 20;              // What the process may grow by; 0: no limit.
  Duration drain_timeout = std::chrono::seconds(10);  // For the flush after SIGTERM.
  exporting::ScrapeOptions scrape;
  ShippingOptions shipping;
  remote_write::Options remote_write;
  bool remote_write_keeps_page = false;  // The metrics stand on /metrics as well.
  Duration frozen_timeout =
      std::chrono::seconds(30);  // Without a turn: killed, started anew; 0: never.

  void add_to(config::OptionTable& table);
};

}  // namespace outrider
