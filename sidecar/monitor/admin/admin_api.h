// SPDX-License-Identifier: Apache-2.0
#pragma once

// The monitor's ports: the admin API, and labels beside it or on an address of their own. SHELL.

#include <cstdint>
#include <functional>
#include <memory>

#include "base/net/http_server.h"
#include "base/net/tls_metrics.h"
#include "base/web/guard.h"
#include "base/wire/json.h"
#include "sidecar/options/monitor_options.h"

namespace outrider::monitor {

class AdminApi {
 public:
  // What the routes ask. Called from the servers' threads.
  struct Parts {
    net::Handler metrics;
    net::Handler labels;     // Labels, feedback and training data.
    net::Handler slices;     // GET /api/v1/slices, beside the labels.
    net::Handler exchanges;  // POST /api/v1/exchanges
    std::function<net::HttpResponse()> reload;
    std::function<wire::Json()> status;
    std::function<bool()> proxy_ready;
    std::function<void(net::TlsMetrics::Source)> on_tls_port;  // Of each port that speaks TLS.
    std::function<std::string()> model;  // The one that is served; "": not known.
    web::GuardMetrics* guards;           // Is told of each port's guard.
  };

  // Serves until it ends. Throws std::runtime_error: a port in use, a token file that cannot be
  // read.
  AdminApi(const MonitorOptions& options, Parts parts);
  ~AdminApi();
  AdminApi(const AdminApi&) = delete;
  AdminApi& operator=(const AdminApi&) = delete;

  std::uint16_t port() const { return admin_->port(); }

 private:
  net::Router admin_routes(const MonitorOptions& options) const;
  void add_label_routes(net::Router& router) const;

  const Parts parts_;
  std::unique_ptr<net::HttpServer> admin_, labels_;
};

}  // namespace outrider::monitor
