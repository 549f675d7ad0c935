// SPDX-License-Identifier: Apache-2.0
#include "agent/truth/fleet_truth.h"

#include <spdlog/spdlog.h>

#include <random>
#include <stdexcept>

#include "agent/truth/token_limits.h"
#include "base/net/address.h"
#include "truth/api/erase_api.h"
#include "truth/api/export_api.h"
#include "truth/api/label_api.h"
#include "truth/append_buffer.h"
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

HttpResponse out_of_scope(const std::string& why) {
  return net::error_response(403, "out_of_scope", why);
}

LabelPass::Settings pass_settings(const FleetTruth::Settings& settings) {
  return {.url = settings.peer_url,
          .prepare = settings.peer,
          .folder = settings.folder / "passed-labels"};
}

std::string erase_url(const FleetTruth::Settings& settings) {
  return net::without_slash(settings.peer_url) + std::string(truth::erase_path) + "?passed=true";
}

remote_write::Courier::Settings erasure_settings(const FleetTruth::Settings& settings) {
  remote_write::Courier::Settings made;
  made.name = "what is to be erased at the other agent";
  made.url = erase_url(settings);
  made.content_type = "application/json";
  made.prepare = settings.peer;
  made.queue.folder = settings.folder / "passed-erasures";
  made.queue.bytes_max = std::uint64_t{16} << 20;
  made.queue.age_max = std::chrono::hours(24 * 30);
  return made;
}

}  // namespace

// Shipments that were refused, by reason.
class FleetTruth::Refusals final : public wire::Collector {
 public:
  enum Reason { out_of_scope, invalid, newer, count };
  HttpResponse refuse(Reason reason, const HttpRequest& request, int status, const Error& error) {
    counts_[reason].fetch_add(1, std::memory_order_relaxed);
    spdlog::warn("predictions from {} refused: {}", request.peer, error.message);
    return net::error_response(status, error.code, error.message);
  }
  void collect(wire::MetricSink& sink) override {
    static constexpr const char* words[count] = {"out_of_scope", "invalid", "newer"};
    sink.family({"outrider_truth_shipments_refused_total", wire::MetricType::counter,
                 "Shipments of predictions that were not taken, by reason; a sidecar keeps what is "
                 "out_of_scope of its token, and sends it again."});
    for (int i = 0; i < count; ++i) {
      sink.value(wire::SeriesKey({{"reason", words[i]}}),
                 static_cast<double>(counts_[static_cast<std::size_t>(i)].load()));
    }
  }

 private:
  std::array<std::atomic<std::uint64_t>, count> counts_{};
};

FleetTruth::FleetTruth(const Settings& settings, const Clock& clock)
    : settings_(settings),
      clock_(clock),
      refusals_(std::make_unique<Refusals>()),
      journal_(settings.folder / "access.ndjson", clock) {
  auto log = truth::PredictionLog::open(log_settings(settings_), outcomes_, clock_);
  if (!log) throw std::runtime_error("truth.enabled: " + log.error().message);
  log_ = std::move(*log);
  if (!settings_.peer_url.empty()) {
    pass_ = std::make_unique<LabelPass>(pass_settings(settings_), clock_);
    pair_ = std::make_unique<PairLink>(
        PairLink::Settings{
            .url = settings_.peer_url, .prepare = settings_.peer, .folder = settings_.folder},
        clock_);
    pair_labels_ = std::make_unique<PairLabels>(*log_, *pair_, *pass_);
    erasures_ = std::make_unique<remote_write::Courier>(erasure_settings(settings_), clock_);
    spdlog::info("labels are passed to the other agent, {}", settings_.peer_url);
  }
  if (settings_.probe_every > Duration::zero()) {
    probe_ = std::make_unique<FreshnessProbe>([this] { return probe_once(); }, clock_,
                                              settings_.probe_every);
  }
}

FleetTruth::~FleetTruth() {
  stop(Duration::zero());
}

void FleetTruth::add_routes(net::Router& router) {
  const auto add = [&](const char* method, std::string_view path, net::Role role,
                       HttpResponse (FleetTruth::*handle)(const HttpRequest&),
                       bool handler_checks_scope = true) {
    router.add(method, path,
               [this, handle](const HttpRequest& request) { return (this->*handle)(request); },
               {.role = role, .handler_checks_scope = handler_checks_scope});
  };
  add("POST", "/api/v1/predictions", net::Role::write, &FleetTruth::take_predictions);
  add("POST", "/api/v1/labels", net::Role::label, &FleetTruth::take_labels);
  add("POST", "/api/v1.0/feedback", net::Role::label, &FleetTruth::take_labels);
  add("POST", truth::erase_path, net::Role::administer, &FleetTruth::erase);
  // Of the other agent, which is for the whole fleet.
  add("POST", LabelPass::path, net::Role::label, &FleetTruth::take_passed, false);
  add("POST", PairLink::path, net::Role::label, &FleetTruth::count_labels, false);
  router.add("GET", PairLink::id_path,
             [this](const HttpRequest&) {
               return net::json_response(200, {{"agent", pair_ ? pair_->id() : ""}});
             },
             {.role = net::Role::label});
  const net::Needs read{.role = net::Role::read, .handler_checks_scope = true};
  router.add(
      "GET", "/api/v1/training-data",
      [this](const HttpRequest& request) { return training_data(request); }, read);
  router.add(
      "GET", truth::export_path,
      [this](const HttpRequest& request) { return export_page(request); }, read);
  router.add(
      "GET", "/api/v1/truth", [this](const HttpRequest& request) { return status(request); }, read);
}

std::vector<wire::Collector*> FleetTruth::collectors() {
  std::vector<wire::Collector*> collectors = {&log_->collector(), &outcomes_, refusals_.get()};
  if (pass_) collectors.insert(collectors.end(), {pass_.get(), pair_.get()});
  if (probe_) collectors.push_back(probe_.get());
  return collectors;
}

void FleetTruth::stop(Duration limit) {
  if (probe_) probe_->stop();
  if (pass_ && !pass_->stop(limit)) {
    spdlog::info("labels for the other agent wait on disk for the next start");
  }
  if (erasures_) erasures_->stop(limit);
  if (pair_) pair_->stop(limit);
  log_->close();
}

HttpResponse FleetTruth::take_predictions(const HttpRequest& request) {
  auto shipment = truth::decode_shipment(request.body, clock_.now(), true);
  if (!shipment) {
    const bool is_newer = shipment.error().code == "newer_shipment";
    return refusals_->refuse(is_newer ? Refusals::newer : Refusals::invalid, request,
                             is_newer ? 415 : 400, shipment.error());
  }
  if (request.scope) {
    if (const auto why = outside_of(*request.scope, *shipment))
      return refusals_->refuse(Refusals::out_of_scope, request, 403, {"out_of_scope", *why});
  }
  const auto taken = log_->take(std::move(*shipment));
  if (!taken) return try_later(taken.error());
  return net::json_response(
      200, {{"taken", taken->rows}, {"again", taken->rows_again}, {"lost", taken->lost}});
}

HttpResponse FleetTruth::take_labels(const HttpRequest& request) {
  const auto own = narrowed(request);
  if (!own) return out_of_scope(own.error().message);
  if (settings_.labels_elsewhere) return settings_.labels_elsewhere(*own);
  if (!pass_) return truth::handle_labels(*log_, *own, {});
  if (own->body.size() > LabelPass::body_bytes_max) {
    return net::error_response(413, "too_large",
                               "labels for a pair of agents come in requests of at most " +
                                   std::to_string(LabelPass::body_bytes_max >> 20) +
                                   " MiB; send them in several");
  }
  return pair_labels_->take(*own);
}

HttpResponse FleetTruth::take_passed(const HttpRequest& request) {
  const auto labels = unpack(request.body);
  if (!labels) return net::error_response(400, labels.error().code, labels.error().message);
  return truth::handle_labels(*log_, *labels, {.passed = true});
}

HttpResponse FleetTruth::count_labels(const HttpRequest& request) {
  return count_for_other(*log_, request);
}

HttpResponse FleetTruth::erase(const HttpRequest& request) {
  const auto own = narrowed(request);
  if (!own) return out_of_scope(own.error().message);
  const auto wishes = truth::parse_wishes(own->body, truth::read_scope(*own));
  if (!wishes) return net::error_response(400, wishes.error().code, wishes.error().message);
  HttpResponse answer = truth::erase(*log_, *wishes, request, &journal_);
  if (!erasures_ || own->query_value("passed") == "true" || answer.status != 200) return answer;
  auto json = wire::parse_json(answer.body);
  if (!json) return answer;
  (*json)["peer"] = erase_there(*wishes);
  return net::json_response(200, *json);
}

// At once, so that the answer says what was found there; through a queue on disk where it is away.
wire::Json FleetTruth::erase_there(const std::vector<truth::EraseWish>& wishes) {
  const std::string body = truth::write_wishes(wishes);
  net::ClientRequest sent{.method = "POST", .url = erase_url(settings_)};
  sent.headers = {{"Content-Type", "application/json"}};
  sent.body = body;
  std::string why;
  if (auto ok = settings_.peer ? settings_.peer(sent) : Result<void>(); !ok) {
    why = ok.error().message;
  } else if (const auto response = net::HttpClient().send(sent); !response) {
    why = response.error().message;
  } else if (const auto json = wire::parse_json(response->body);
             response->status == 200 && json && json->contains("results")) {
    return {{"state", "erased"}, {"results", (*json)["results"]}};
  } else {
    why = "status " + std::to_string(response->status);
  }
  const bool queued = erasures_->append(body, wishes.size());
  return {{"state", queued ? "queued" : "not queued, ask again"}, {"why", why}};
}

HttpResponse FleetTruth::training_data(const HttpRequest& request) const {
  if (!settings_.asks_for_token) {
    return net::error_response(
        403, "token_required",
        "training data of a whole fleet is given only where the API asks "
        "for a token; start the agent with --web.tokens-file or --web.bearer-token-file");
  }
  const auto own = narrowed(request);
  if (!own) return out_of_scope(own.error().message);
  return truth::give_training_data(*log_, *own, streams_, &journal_);
}

HttpResponse FleetTruth::export_page(const HttpRequest& request) const {
  if (!settings_.asks_for_token) {
    return net::error_response(
        403, "token_required",
        "predictions of a whole fleet are given only where the API asks for a token; start the "
        "agent with --web.tokens-file or --web.bearer-token-file");
  }
  const auto own = narrowed(request);
  if (!own) return out_of_scope(own.error().message);
  return truth::give_export(*log_, *own, readers_, &journal_);
}

HttpResponse FleetTruth::status(const HttpRequest& request) const {
  const net::Scope* limits = request.scope.get();
  if (limits) return net::json_response(200, {{"versions", outcomes_.status(limits)}});
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
                                  {"versions", outcomes_.status(nullptr)}});
}

// A prediction as it is read from a shipment, and its label as a client sends it; true when its
// outcome is where /metrics is made of.
bool FleetTruth::probe_once() {
  const std::uint64_t before = outcomes_.probes();
  std::random_device random;
  const auto bits = [&random] { return std::uint64_t{random()} << 32 | random(); };
  const Time now = clock_.now();
  const truth::Uuid id = truth::make_uuid7(now, bits(), bits());
  if (probe_stream_ == truth::Uuid{}) probe_stream_ = id;
  const std::string text = truth::format_uuid(id);
  const std::string model =
      truth::scoped_name({"", "", std::string(truth::probe_workload)}, "probe");
  const truth::RowView row{.prediction = 1.0};
  std::string group;
  std::vector<truth::AppendName> names;
  truth::encode_prediction(id,
                           {.id = text,
                            .time = now,
                            .model_name = model,
                            .model_version = "1",
                            .rows = std::span(&row, 1)},
                           false, group, names);
  truth::DecodedShipment shipment;
  shipment.stream = probe_stream_;
  shipment.sender.workload.name = truth::probe_workload;
  shipment.sender.complete_until = now;
  shipment.sender.closed = true;
  shipment.predictions.add(id, 1, group, names, truth::scope_mark(model));
  shipment.sequences = {probed_++};
  if (!log_->take(std::move(shipment))) return false;
  HttpRequest label;
  label.method = "POST";
  label.path = "/api/v1/labels";
  label.body = R"({"id":")" + text + R"(","label":1})";
  return truth::handle_labels(*log_, label, {}).status == 200 && outcomes_.probes() > before;
}

}  // namespace outrider::fleet
