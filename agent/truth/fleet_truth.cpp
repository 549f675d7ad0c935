// SPDX-License-Identifier: Apache-2.0
#include "agent/truth/fleet_truth.h"

#include <spdlog/spdlog.h>

#include <stdexcept>

#include "truth/label_api.h"
#include "truth/shipment.h"

namespace outrider::fleet {
namespace {

using net::HttpRequest;
using net::HttpResponse;

truth::LogSettings log_settings(const FleetTruth::Settings& settings) {
  truth::LogSettings made;
  made.folder = settings.folder / "log";
  made.bytes_max = settings.bytes_max;
  made.keep_features = true;  // Only those come that a sidecar's configuration names.
  made.max_delay = settings.max_delay;
  made.early_hold = settings.early_hold;
  made.models_max = 2'000;
  made.shipped = true;
  return made;
}

HttpResponse try_later(const Error& error) {
  HttpResponse response = net::error_response(503, error.code, error.message);
  response.headers.push_back({"Retry-After", "2"});
  return response;
}

}  // namespace

FleetTruth::FleetTruth(const Settings& settings, const Clock& clock)
    : settings_(settings), clock_(clock) {
  auto log = truth::PredictionLog::open(log_settings(settings_), outcomes_, clock_);
  if (!log) throw std::runtime_error("truth.enabled: " + log.error().message);
  log_ = std::move(*log);
  if (settings_.peer_url.empty()) return;
  pass_ = std::make_unique<LabelPass>(
      LabelPass::Settings{.url = settings_.peer_url,
                          .bearer_token_file = settings_.peer_bearer_token_file,
                          .folder = settings_.folder / "passed-labels"},
      clock_);
  spdlog::info("labels are passed to the other agent, {}", settings_.peer_url);
}

FleetTruth::~FleetTruth() {
  stop(Duration::zero());
}

void FleetTruth::add_routes(net::Router& router) {
  router.add("POST", "/api/v1/predictions",
             [this](const HttpRequest& request) { return take_predictions(request); },
             {.role = net::Role::write});
  for (const char* path : {"/api/v1/labels", "/api/v1.0/feedback"}) {
    router.add("POST", path, [this](const HttpRequest& request) { return take_labels(request); },
               {.role = net::Role::label});
  }
  router.add("POST", LabelPass::path,
             [this](const HttpRequest& request) { return take_passed(request); },
             {.role = net::Role::label});
  router.add("GET", "/api/v1/training-data",
             [this](const HttpRequest& request) { return training_data(request); });
  router.add("GET", "/api/v1/truth", [this](const HttpRequest&) { return status(); });
}

std::vector<wire::Collector*> FleetTruth::collectors() {
  std::vector<wire::Collector*> collectors = {&log_->collector(), &outcomes_};
  if (pass_) collectors.push_back(pass_.get());
  return collectors;
}

void FleetTruth::stop(Duration limit) {
  if (pass_ && !pass_->stop(limit)) {
    spdlog::info("labels for the other agent wait on disk for the next start");
  }
  log_->close();
}

HttpResponse FleetTruth::take_predictions(const HttpRequest& request) {
  auto shipment = truth::decode_shipment(request.body, clock_.now(), true);
  if (!shipment) {
    const int status = shipment.error().code == "newer_shipment" ? 415 : 400;
    spdlog::warn("predictions from {} refused: {}", request.peer, shipment.error().message);
    return net::error_response(status, shipment.error().code, shipment.error().message);
  }
  const auto taken = log_->take(std::move(*shipment));
  if (!taken) return try_later(taken.error());
  return net::json_response(
      200, {{"taken", taken->rows}, {"again", taken->rows_again}, {"lost", taken->lost}});
}

HttpResponse FleetTruth::take_labels(const HttpRequest& request) {
  if (!pass_) return truth::handle_labels(*log_, request, {});
  if (request.body.size() > LabelPass::body_bytes_max) {
    return net::error_response(413, "too_large",
                               "labels for a pair of agents come in requests of at most " +
                                   std::to_string(LabelPass::body_bytes_max >> 20) +
                                   " MiB; send them in several");
  }
  const auto pass_on = [this](const HttpRequest& acknowledged) { pass_->add(acknowledged); };
  return truth::handle_labels(*log_, request, {.passed = false, .acknowledged = pass_on});
}

HttpResponse FleetTruth::take_passed(const HttpRequest& request) {
  const auto labels = unpack(request.body);
  if (!labels) return net::error_response(400, labels.error().code, labels.error().message);
  return truth::handle_labels(*log_, *labels, {.passed = true, .acknowledged = {}});
}

HttpResponse FleetTruth::training_data(const HttpRequest& request) const {
  if (!settings_.asks_for_token) {
    return net::error_response(
        403, "token_required",
        "training data of a whole fleet is given only where the API asks "
        "for a token; start the agent with --web.tokens-file or --web.bearer-token-file");
  }
  return truth::give_training_data(*log_, request, streams_);
}

HttpResponse FleetTruth::status() const {
  const auto figures = log_->figures();
  return net::json_response(200, {{"available", figures.available},
                                  {"pending", figures.pending},
                                  {"held", figures.early_held},
                                  {"streams", figures.streams},
                                  {"received", figures.shipped},
                                  {"received_again", figures.shipped_again},
                                  {"lost", figures.lost},
                                  {"disk_bytes", figures.disk_bytes},
                                  {"shipping_lag_seconds", to_seconds(figures.shipping_lag)},
                                  {"versions", outcomes_.status()}});
}

}  // namespace outrider::fleet
