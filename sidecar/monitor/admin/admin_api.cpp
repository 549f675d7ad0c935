// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/admin/admin_api.h"

#include <spdlog/spdlog.h>

#include <stdexcept>
#include <utility>

#include "base/net/tls_port.h"
#include "base/web/make_guard.h"
#include "base/web/tls_port_of.h"

namespace outrider::monitor {
AdminApi::AdminApi(const MonitorOptions& options, Parts parts) : parts_(std::move(parts)) {
  const auto settings_of = [&](const std::string& address, web::Door door,
                               const web::TlsOptions& tls, const char* prefix) {
    net::HttpServer::Settings settings{.listen_address = address};
    settings.tls = web::tls_port(tls, prefix, door.port);
    if (settings.tls) parts_.on_tls_port([port = settings.tls] { return port->figures(); });
    door.model = parts_.model;
    const auto guard = web::make_guard(options.access, door);
    parts_.guards->add(guard);
    settings.guard = guard;
    return settings;
  };
  net::Router admin = admin_routes(options);
  if (options.labels_listen_address.empty()) {
    add_label_routes(admin);
  } else {
    net::Router router;
    add_label_routes(router);
    const bool is_own = !options.labels_tls.cert_dir.empty() ||
                        options.labels_tls.require_client_certificate ||
                        !options.labels_tls.client_names.empty();
    const auto settings =
        settings_of(options.labels_listen_address,
                    {.port = "labels",
                     .single_token_file = options.labels_bearer_token_file,
                     .with_passwords = false},
                    is_own ? options.labels_tls : options.web_tls, is_own ? "labels" : "web");
    labels_ = std::make_unique<net::HttpServer>(settings, std::move(router));
    spdlog::info("labels and training data on port {}", labels_->port());
  }
  const auto settings =
      settings_of(options.listen_address, {.port = "admin"}, options.web_tls, "web");
  admin_ = std::make_unique<net::HttpServer>(settings, std::move(admin));
  spdlog::info("admin API on port {}", admin_->port());
}

AdminApi::~AdminApi() {
  admin_->stop();
  if (labels_) labels_->stop();
}

void AdminApi::add_label_routes(net::Router& router) const {
  const net::Needs needs{.role = net::Role::label};
  router.add("POST", "/api/v1/labels", parts_.labels, needs);
  router.add("POST", "/api/v1.0/feedback", parts_.labels, needs);
  router.add("GET", "/api/v1/training-data", parts_.labels);
  router.add("GET", "/api/v1/export", parts_.labels);
  router.add("POST", "/api/v1/erase", parts_.labels, {.role = net::Role::administer});
  router.add("GET", "/api/v1/slices", parts_.slices);
}

net::Router AdminApi::admin_routes(const MonitorOptions& options) const {
  net::Router router;
  router.add("GET", options.telemetry_path, parts_.metrics);
  router.add("GET", "/-/healthy",
             [](const net::HttpRequest&) { return net::text_response(200, "OK\n"); });
  router.add("GET", "/-/ready", [ready = parts_.proxy_ready](const net::HttpRequest&) {
    if (ready()) return net::text_response(200, "OK\n");
    return net::error_response(503, "not_ready", "the proxy takes no new requests");
  });
  router.add("POST", "/api/v1/exchanges", parts_.exchanges, {.role = net::Role::write});
  router.add("POST", "/-/reload",
             [reload = parts_.reload](const net::HttpRequest&) { return reload(); });
  router.add("GET", "/api/v1/status", [status = parts_.status](const net::HttpRequest&) {
    return net::json_response(200, status());
  });
  return router;
}

}  // namespace outrider::monitor
