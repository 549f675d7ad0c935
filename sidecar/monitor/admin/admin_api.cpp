// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/admin/admin_api.h"

#include <spdlog/spdlog.h>

#include <stdexcept>
#include <utility>

#include "base/config/yaml.h"
#include "base/core/text.h"
#include "base/net/tls_port.h"
#include "base/web/tls_port_of.h"
#include "sidecar/monitor/admin/web_config.h"

namespace outrider::monitor {
namespace {

std::string bearer_token_of(const std::string& file) {
  const auto token = config::read_file(file, 4'096);
  if (!token) throw std::runtime_error("labels.bearer-token-file: " + token.error().message);
  std::string trimmed(trim(*token));
  if (trimmed.empty()) {
    throw std::runtime_error("labels.bearer-token-file=" + file +
                             ": expected a token, got an empty file");
  }
  return trimmed;
}

}  // namespace

AdminApi::AdminApi(const MonitorOptions& options, Parts parts) : parts_(std::move(parts)) {
  const auto with_tls = [this](net::HttpServer::Settings& settings, const web::TlsOptions& tls,
                               const char* prefix, const char* name) {
    settings.tls = web::tls_port(tls, prefix, name);
    if (settings.tls) parts_.on_tls_port([port = settings.tls] { return port->figures(); });
  };
  net::Router admin = admin_routes(options);
  if (options.labels_listen_address.empty()) {
    add_label_routes(admin);
  } else {
    net::Router router;
    add_label_routes(router);
    net::HttpServer::Settings settings{.listen_address = options.labels_listen_address};
    if (!options.labels_bearer_token_file.empty()) {
      settings.bearer_token = bearer_token_of(options.labels_bearer_token_file);
    }
    const bool is_own = !options.labels_tls.cert_dir.empty() ||
                        options.labels_tls.require_client_certificate ||
                        !options.labels_tls.client_names.empty();
    with_tls(settings, is_own ? options.labels_tls : options.web_tls, is_own ? "labels" : "web",
             "labels");
    labels_ = std::make_unique<net::HttpServer>(settings, std::move(router));
    spdlog::info("labels and training data on port {}", labels_->port());
  }
  net::HttpServer::Settings settings{.listen_address = options.listen_address};
  if (auto ok = apply_web_config(options.web_config_file, settings); !ok) {
    throw std::runtime_error(ok.error().message);
  }
  with_tls(settings, options.web_tls, "web", "admin");
  admin_ = std::make_unique<net::HttpServer>(settings, std::move(admin));
  spdlog::info("admin API on port {}", admin_->port());
}

AdminApi::~AdminApi() {
  admin_->stop();
  if (labels_) labels_->stop();
}

void AdminApi::add_label_routes(net::Router& router) const {
  router.add("POST", "/api/v1/labels", parts_.labels);
  router.add("POST", "/api/v1.0/feedback", parts_.labels);
  router.add("GET", "/api/v1/training-data", parts_.labels);
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
  router.add("POST", "/api/v1/exchanges", parts_.exchanges);
  router.add("POST", "/-/reload",
             [reload = parts_.reload](const net::HttpRequest&) { return reload(); });
  router.add("GET", "/api/v1/status", [status = parts_.status](const net::HttpRequest&) {
    return net::json_response(200, status());
  });
  return router;
}

}  // namespace outrider::monitor
