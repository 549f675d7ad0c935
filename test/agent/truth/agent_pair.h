// SPDX-License-Identifier: Apache-2.0
#pragma once

// Agents that keep predictions, in this process, behind their own HTTP servers; a pair of them, and
// what a sidecar ships to them.

#include "agent/truth/fleet_truth.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "base/core/digest.h"
#include "base/net/http_client.h"
#include "base/web/guard.h"
#include "test/support/catch.h"
#include "test/support/temporary_folder.h"
#include "truth/shipment.h"

namespace outrider::fleet {

using namespace std::chrono_literals;

inline const SystemClock wall;
inline const std::string tokens =
    "tokens:\n"
    "  - {name: all, sha256: " +
    sha256_hex("all") +
    ", roles: [administer]}\n"
    "  - {name: pods, sha256: " +
    sha256_hex("pods") +
    ", roles: [write], workloads: [price]}\n"
    "  - {name: warehouse, sha256: " +
    sha256_hex("warehouse") + ", roles: [label, read], workloads: [price]}\n";

inline std::uint16_t free_port() {
  net::HttpServer server({.listen_address = "127.0.0.1:0"}, net::Router());
  return server.port();
}

struct Agent {
  explicit Agent(std::uint16_t own = free_port(), std::uint16_t other = 0,
                 Duration probe_every = Duration::zero())
      : port(own), peer(other), every(probe_every) {
    std::ofstream(folder.path() / "tokens.yaml") << tokens;
    start();
  }
  void start() {
    FleetTruth::Settings settings;
    settings.folder = folder.path() / "truth";
    std::filesystem::create_directories(settings.folder);
    settings.asks_for_token = true;
    settings.probe_every = every;
    if (peer > 0) settings.peer_url = "http://127.0.0.1:" + std::to_string(peer);
    settings.peer = [](net::ClientRequest& request) -> Result<void> {
      request.headers.push_back({"Authorization", "Bearer all"});
      return {};
    };
    truth = std::make_unique<FleetTruth>(settings, wall);
    net::Router router;
    truth->add_routes(router);
    guard = std::make_shared<web::Guard>(web::Guard::Settings{
        .port = "agent", .tokens_file = (folder.path() / "tokens.yaml").string()});
    server = std::make_unique<net::HttpServer>(
        net::HttpServer::Settings{.listen_address = "127.0.0.1:" + std::to_string(port),
                                  .guard = guard},
        std::move(router));
  }
  void stop() {
    server.reset();
    truth.reset();
  }

  // What a kill (-9) at this moment would leave: the bytes that the kernel has.
  void copy_state(const std::filesystem::path& to) const {
    std::filesystem::remove_all(to);
    std::filesystem::copy(folder.path() / "truth", to, std::filesystem::copy_options::recursive);
  }
  // As after such a kill; it is not started.
  void kill_to(const std::filesystem::path& state) {
    stop();
    std::filesystem::remove_all(folder.path() / "truth");
    std::filesystem::copy(state, folder.path() / "truth", std::filesystem::copy_options::recursive);
  }

  double metric(const std::string& name) const {
    wire::TextSink sink(wire::Format::text);
    for (wire::Collector* collector : truth->collectors()) collector->collect(sink);
    const std::string page = "\n" + sink.finish();
    const std::size_t at = page.find("\n" + name + " ");
    if (at == std::string::npos) throw std::runtime_error("no metric " + name);
    return std::stod(page.substr(at + name.size() + 2));
  }

  net::ClientResponse ask(const std::string& method, const std::string& path,
                          const std::string& body = "", const std::string& token = "all") const {
    net::ClientRequest request{.method = method,
                               .url = "http://127.0.0.1:" + std::to_string(port) + path};
    request.headers = {{"Authorization", "Bearer " + token}};
    request.body = body;
    request.timeout = 20s;
    auto response = net::HttpClient().send(request);
    if (!response) throw std::runtime_error(response.error().message);
    return std::move(*response);
  }
  // Labels counted, as the store has them.
  std::uint64_t counted() const {
    const auto json = wire::parse_json(ask("GET", "/api/v1/truth").body);
    std::uint64_t sum = 0;
    for (const auto& version : (*json)["versions"]) sum += version["labels"].get<std::uint64_t>();
    return sum;
  }
  std::size_t rows(const std::string& query = "") const {
    const std::string lines =
        ask("GET", "/api/v1/export?from=2000-01-01T00:00:00Z&to=2200-01-01T00:00:00Z" + query).body;
    return static_cast<std::size_t>(std::count(lines.begin(), lines.end(), '\n'));
  }
  std::string journal() const {
    std::ifstream file(folder.path() / "truth" / "access.ndjson");
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }

  TemporaryFolder folder;
  std::uint16_t port, peer;
  Duration every;
  std::unique_ptr<FleetTruth> truth;
  std::shared_ptr<web::Guard> guard;
  std::unique_ptr<net::HttpServer> server;
};

// A sidecar's numbers.
struct Pod {
  explicit Pod(std::string of) { head.workload = {"", "shop", std::move(of)}; }
  std::string predict(std::string_view key = {}, Duration ago = {}) {
    const truth::Uuid id = truth::make_uuid7(wall.now() - ago, minted_, ++serial);
    const std::string text = truth::format_uuid(id);
    const truth::RowView row{.prediction = 1.0};
    writer.add(id, serial,
               {.id = text,
                .time = wall.now() - ago,
                .model_name = "house",
                .model_version = "v1",
                .key = key,
                .rows = std::span(&row, 1)},
               0);
    return text;
  }
  std::string body() {
    head.stream = truth::make_uuid7(Time{1s}, 1, 1);
    head.complete_until = wall.now();
    const auto rule = [](std::string_view, std::string_view) { return truth::JudgeRule{}; };
    return writer.finish(head, rule).at(0).bytes + truth::sent_at(wall.now());
  }
  truth::ShipmentHead head;
  truth::ShipmentWriter writer;
  std::uint64_t serial = 0;

 private:
  inline static std::uint64_t pods_ = 0;
  const std::uint64_t minted_ = ++pods_;  // Of its ids: no two pods make the same one.
};

inline std::string label(const std::string& id) {
  return R"({"id":")" + id + R"(","label":1})";
}

template <class Condition>
bool within(Duration limit, Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(20ms);
  }
  return true;
}

struct Pair {
  std::uint16_t ports[2] = {free_port(), free_port()};
  Agent agents[2] = {Agent(ports[0], ports[1]), Agent(ports[1], ports[0])};
};

// Stands between the agent that asks and the one that counts. What it cuts off has come to the
// other, or not; what it refuses has come to a door that says so.
class Between {
 public:
  enum Fault : std::uint8_t { none, answer_lost, request_lost, refused };
  using Hook = std::function<void()>;

  explicit Between(const Agent& counting) : counting_(counting) {
    net::Router router;
    const auto forward = [this](const net::HttpRequest& request) { return pass_on(request); };
    router.add("GET", "/api/v1/pair", [this](const net::HttpRequest& request) {
      const auto answer = counting_.ask(request.method, request.path);
      net::HttpResponse response = net::json_response(200, wire::Json::object());
      response.body = answer.body;
      return response;
    });
    router.add("POST", "/api/v1/counted-labels", forward);
    router.add("POST", "/api/v1/passed-labels", forward);
    server_ = std::make_unique<net::HttpServer>(
        net::HttpServer::Settings{.listen_address = "127.0.0.1:0"}, std::move(router));
  }
  std::uint16_t port() const { return server_->port(); }
  void set(Fault fault) { fault_ = fault; }
  // Called once, while the asking agent waits: before the question comes to the other, and when
  // that has answered. Set them while nothing is under way.
  Hook on_asked = {}, on_answered = {};

 private:
  net::HttpResponse pass_on(const net::HttpRequest& request) {
    const Fault fault = fault_;
    net::HttpResponse response = net::json_response(200, wire::Json::object());
    if (Hook hook = std::exchange(on_asked, {})) hook();
    if (fault == refused) return net::error_response(503, "log_unavailable", "the disk is full");
    if (fault != request_lost) {
      const auto answer = counting_.ask(request.method, request.path, request.body);
      response.status = answer.status;
      response.body = answer.body;
      if (Hook hook = std::exchange(on_answered, {})) hook();
    }
    if (fault == none) return response;
    return net::error_response(502, "bad_gateway", "the agent died");
  }

  const Agent& counting_;
  std::atomic<Fault> fault_{none};
  std::unique_ptr<net::HttpServer> server_;
};

}  // namespace outrider::fleet
