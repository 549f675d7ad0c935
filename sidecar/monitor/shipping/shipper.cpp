// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/shipping/shipper.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <stdexcept>

#include "base/core/text.h"
#include "base/net/address.h"
#include "sidecar/monitor/shipping/delivery.h"
#include "truth/api/label_api.h"

namespace outrider::monitor {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr std::size_t prediction_bytes_max = 2 << 20;
constexpr std::size_t answer_bytes_max = 8 << 20;

// A folder for each agent, by its address: one that is added later begins with an empty queue.
std::string folder_of(const std::string& url) {
  std::string name;
  for (const char c : url) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '-';
  return name.substr(0, 100);
}

}  // namespace

Shipper::Shipper(const ShippingOptions& options, const truth::Sample& sample,
                 const fs::path& folder, RuleOf rule_of, const Clock& clock)
    : options_(options),
      rule_of_(std::move(rule_of)),
      clock_(clock),
      folder_(folder, clock.now()),
      gatherer_(folder_, prediction_bytes_max) {
  if (auto ok = options_.check(); !ok) throw std::runtime_error(ok.error().message);
  identity_ = identity_of(options_, sample, folder_);
  for (const std::string& url : options_.urls) {
    remote_write::Courier::Settings settings;
    settings.name = "predictions";
    settings.url = net::without_slash(url) + "/api/v1/predictions";
    settings.content_type = std::string(truth::shipment_content_type);
    settings.prepare = [this](net::ClientRequest& request) {
      return options_.client.apply(request);
    };
    settings.trailer = [this] { return truth::sent_at(clock_.now()); };
    settings.idle_body = [this] { return only_head(); };
    settings.queue.folder = folder / folder_of(url);
    settings.queue.bytes_max = static_cast<std::uint64_t>(options_.queue_bytes_max);
    settings.queue.age_max = options_.queue_age_max;
    couriers_.push_back(std::make_unique<remote_write::Courier>(std::move(settings), clock_));
    spdlog::info("predictions are shipped to {}", url);
  }
  thread_ =
      std::jthread([this](const std::stop_token& stop) { gatherer_.run(stop, [this] { cut(); }); });
}

Shipper::~Shipper() {
  stop(Duration::zero());
}

// What came so far goes to disk, for each agent.
void Shipper::cut() {
  // Read before what was gathered is taken: what came until then is in it.
  const truth::ShipmentHead about = head();
  gatherer_.take([&](Gatherer::Gathered& some) {
    for (const truth::ShipmentBody& body :
         some.writer.finish(about, rule_of_, Gatherer::cut_bytes)) {
      for (const auto& courier : couriers_) courier->append(body.bytes, body.rows);
    }
  });
}

truth::ShipmentHead Shipper::head() const {
  truth::ShipmentHead about = identity_;
  about.complete_until = from_unix_ms(caught_up_ms_.load());
  about.closed = closed_;
  return about;
}

std::string Shipper::write_head() const {
  return truth::ShipmentWriter().finish(head(), rule_of_).front().bytes;
}

// Says how far this sidecar has come, when it has nothing else to say: what was appended before the
// head was read has been put in the queue, which the courier looks at afterwards.
std::string Shipper::only_head() {
  std::string body = write_head();
  return gatherer_.empty() ? body : std::string();
}

bool Shipper::stop(Duration limit) {
  thread_.request_stop();
  if (thread_.joinable()) {
    thread_.join();
    cut();
    closed_ = true;
    const std::string end = write_head();
    for (const auto& courier : couriers_) courier->append(end, 0);
  }
  bool all = true;
  const auto deadline = std::chrono::steady_clock::now() + limit;
  for (const auto& courier : couriers_) {
    const Duration left =
        std::max<Duration>(deadline - std::chrono::steady_clock::now(), Duration::zero());
    all = courier->stop(left) && all;
  }
  return all;
}

std::string Shipper::own_query(const net::HttpRequest& request) const {
  const auto& workload = options_;
  std::string query;
  for (const auto& [name, value] :
       {std::pair("cluster", &workload.cluster), std::pair("namespace", &workload.name_space),
        std::pair("workload", &workload.workload)}) {
    if (value->empty()) continue;
    query += (query.empty() ? "" : "&") + std::string(name) + "=" + percent_encode(*value);
  }
  // Behind it: of a name that comes twice the first one counts.
  if (!request.query.empty()) query += "&" + request.query;
  return query;
}

net::HttpResponse Shipper::erase(const net::HttpRequest& request) {
  net::ClientRequest sent;
  sent.method = "POST";
  if (auto ok = options_.client.apply(sent); !ok)
    return net::error_response(503, ok.error().code, ok.error().message);
  sent.headers.push_back({"Content-Type", "application/json"});
  sent.body = request.body;
  sent.body_bytes_max = answer_bytes_max;
  wire::Json agents = wire::Json::array();
  int status = 200;
  net::HttpClient client;
  for (const std::string& url : options_.urls) {
    sent.url = net::without_slash(url) + request.path + "?" + own_query(request);
    const auto response = client.send(sent);
    const int answered = response ? response->status : 503;
    status = std::max(status, answered >= 500 ? 503 : answered);
    const auto body = response ? wire::parse_json(response->body) : fail(response);
    agents.push_back({{"agent", url},
                      {"status", answered},
                      {"answer", body ? *body : wire::Json(body.error().message)}});
  }
  wire::Json answer = {{"agents", agents}};
  if (status != 200) {
    answer["error"] = "not_erased_everywhere";
    answer["message"] = "not every agent has erased it; `agents` says why, ask again";
  }
  return net::json_response(status, answer);
}

net::HttpResponse Shipper::relay(const net::HttpRequest& request) {
  net::ClientRequest sent;
  sent.method = request.method;
  if (auto ok = options_.client.apply(sent); !ok)
    return net::error_response(503, ok.error().code, ok.error().message);
  for (const char* name : {"Content-Type", "Seldon-Puid"}) {
    if (const auto value = request.header(name); !value.empty()) {
      sent.headers.push_back({name, std::string(value)});
    }
  }
  sent.body = request.body;
  sent.body_bytes_max = answer_bytes_max;
  std::string why, doubt;
  net::HttpClient client;
  for (const std::string& url : options_.urls) {
    sent.url = net::without_slash(url) + request.path + "?" + doubt + own_query(request);
    const auto response = client.send(sent);
    if (truth::may_have_joined(response)) doubt = std::string(truth::in_doubt_parameter) + "=true&";
    if (response && response->status < 500 && response->status != 429) {
      return {.status = response->status,
              .content_type = std::string(response->header("Content-Type")),
              .body = response->body};
    }
    why += (why.empty() ? "" : "; ") + url + ": " +
           (response ? "status " + std::to_string(response->status) : response.error().message);
  }
  net::HttpResponse response = net::error_response(
      503, "agents_unavailable",
      "this sidecar ships its predictions, and no agent has taken the labels (" + why +
          "); send them again later");
  response.headers.push_back({"Retry-After", "5"});
  return response;
}

void Shipper::collect(wire::MetricSink& sink) {
  gatherer_.collect(sink);
  std::vector<Delivery> deliveries;
  for (std::size_t i = 0; i < couriers_.size(); ++i) {
    const auto figures = couriers_[i]->figures();
    Delivery& one = deliveries.emplace_back(Delivery{.agent = options_.urls[i],
                                                     .queue = figures.queue,
                                                     .sent = figures.sent,
                                                     .failed = figures.failed,
                                                     .up = figures.up,
                                                     .refused = figures.refused});
    for (const int status : {400, 413, 415, 422})
      one.refused.try_emplace("http_" + std::to_string(status), 0);
  }
  collect_deliveries(sink, deliveries);
}

wire::Json Shipper::status() const {
  wire::Json json = wire::Json::array();
  for (std::size_t i = 0; i < couriers_.size(); ++i) {
    const auto figures = couriers_[i]->figures();
    json.push_back({{"agent", options_.urls[i]},
                    {"up", figures.up},
                    {"sent", figures.sent},
                    {"pending", figures.queue.pending.samples}});
  }
  return json;
}

}  // namespace outrider::monitor
