// SPDX-License-Identifier: Apache-2.0
// Agents that keep predictions, in this process, behind their own HTTP servers; a pair of them.
#include "agent/truth/fleet_truth.h"

#include <fstream>
#include <sstream>
#include <thread>

#include "base/core/digest.h"
#include "base/net/http_client.h"
#include "base/web/guard.h"
#include "test/support/catch.h"
#include "test/support/temporary_folder.h"
#include "truth/shipment.h"

namespace outrider::fleet {
namespace {

using namespace std::chrono_literals;

const SystemClock wall;
const std::string tokens =
    "tokens:\n"
    "  - {name: all, sha256: " +
    sha256_hex("all") +
    ", roles: [administer]}\n"
    "  - {name: pods, sha256: " +
    sha256_hex("pods") +
    ", roles: [write], workloads: [price]}\n"
    "  - {name: warehouse, sha256: " +
    sha256_hex("warehouse") + ", roles: [label, read], workloads: [price]}\n";

std::uint16_t free_port() {
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
  std::string predict(std::string_view key = {}) {
    const truth::Uuid id = truth::make_uuid7(wall.now(), minted_, ++serial);
    const std::string text = truth::format_uuid(id);
    const truth::RowView row{.prediction = 1.0};
    writer.add(id, serial,
               {.id = text,
                .time = wall.now(),
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

std::string label(const std::string& id) {
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

}  // namespace

TEST_CASE("a label that a client sends to both agents of a pair at one moment is counted once") {
  Pair pair;
  Pod pod("price");
  std::vector<std::string> ids;
  for (int i = 0; i < 60; ++i) ids.push_back(pod.predict());
  const std::string shipment = pod.body();
  for (const Agent& agent : pair.agents)
    REQUIRE(agent.ask("POST", "/api/v1/predictions", shipment).status == 200);
  for (const std::string& id : ids) {
    std::thread other([&] { pair.agents[1].ask("POST", "/api/v1/labels", label(id)); });
    CHECK(pair.agents[0].ask("POST", "/api/v1/labels", label(id)).status == 200);
    other.join();
  }
  CHECK(pair.agents[0].counted() + pair.agents[1].counted() == ids.size());
  for (const Agent& agent : pair.agents) {
    CHECK(within(20s, [&] { return agent.rows("&labelled=true") == ids.size(); }));
  }
  CHECK(pair.agents[0].counted() + pair.agents[1].counted() == ids.size());
}

TEST_CASE("while the other agent is away, each counts what it acknowledges, and passes it on") {
  Pair pair;
  Pod pod("price");
  std::vector<std::string> ids;
  for (int i = 0; i < 40; ++i) ids.push_back(pod.predict());
  const std::string shipment = pod.body();
  for (const Agent& agent : pair.agents)
    REQUIRE(agent.ask("POST", "/api/v1/predictions", shipment).status == 200);
  for (const std::size_t away : {0u, 1u}) {
    Agent &gone = pair.agents[away], &there = pair.agents[1 - away];
    const std::uint64_t before = there.counted();
    gone.stop();
    for (std::size_t i = 0; i < 20; ++i) {
      const auto answer = there.ask("POST", "/api/v1/labels", label(ids[20 * away + i]));
      CHECK(answer.body.find("\"joined\"") != std::string::npos);
    }
    CHECK(there.counted() == before + 20);
    gone.start();
    CHECK(within(20s, [&] { return gone.rows("&labelled=true") == 20 * (away + 1); }));
  }
  CHECK(pair.agents[0].counted() + pair.agents[1].counted() == ids.size());
}

// Stands between the agent that asks and the one that counts. What it cuts off has come to the
// other, or not.
class Between {
 public:
  enum Fault : std::uint8_t { none, answer_lost, request_lost };

  explicit Between(const Agent& counting) : counting_(counting) {
    net::Router router;
    const auto forward = [this](const net::HttpRequest& request) {
      const Fault fault = fault_;
      net::HttpResponse response = net::json_response(200, wire::Json::object());
      if (fault != request_lost) {
        const auto answer = counting_.ask(request.method, request.path, request.body);
        response.status = answer.status;
        response.body = answer.body;
      }
      if (fault == none) return response;
      return net::error_response(502, "bad_gateway", "the agent died");
    };
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

 private:
  const Agent& counting_;
  std::atomic<Fault> fault_{none};
  std::unique_ptr<net::HttpServer> server_;
};

TEST_CASE("a label whose counting agent dies between counting and answering is counted once") {
  const Between::Fault fault = GENERATE(Between::answer_lost, Between::request_lost);
  Pair pair;
  const auto id_of = [](const Agent& agent) { return agent.ask("GET", "/api/v1/pair").body; };
  const bool first_counts = id_of(pair.agents[0]) < id_of(pair.agents[1]);
  Agent &counting = pair.agents[first_counts ? 0 : 1], &asking = pair.agents[first_counts ? 1 : 0];
  Between between(counting);
  asking.stop();
  asking.peer = between.port();
  asking.start();
  Pod pod("price");
  const std::string cut_off = pod.predict(), before = pod.predict(), afterwards = pod.predict();
  const std::string shipment = pod.body();
  for (const Agent* agent : {&counting, &asking})
    REQUIRE(agent->ask("POST", "/api/v1/predictions", shipment).status == 200);
  const auto joins = [&](const std::string& id) {
    return asking.ask("POST", "/api/v1/labels", label(id)).body.find("\"joined\"") !=
           std::string::npos;
  };
  CHECK(joins(before));
  CHECK(counting.counted() == 1);
  between.set(fault);
  CHECK(joins(cut_off));
  CHECK(counting.counted() == (fault == Between::answer_lost ? 2 : 1));
  CHECK(asking.counted() == 0);  // In doubt: it leaves the counting to the other.
  between.set(Between::none);
  CHECK(within(20s, [&] { return counting.counted() >= 2; }));
  CHECK(
      within(20s, [&] { return joins(afterwards) || counting.counted() + asking.counted() == 3; }));
  CHECK(within(20s, [&] { return counting.rows("&labelled=true") == 3; }));
  CHECK(asking.rows("&labelled=true") == 3);
  CHECK(counting.counted() + asking.counted() == 3);
}

TEST_CASE(
    "a sidecar ships for its own workload alone, and nothing of a refused shipment is taken") {
  Agent agent;
  Pod own("price"), other("fraud");
  const std::string id = other.predict();
  own.predict();
  CHECK(agent.ask("POST", "/api/v1/predictions", own.body(), "pods").status == 200);
  const auto refused = agent.ask("POST", "/api/v1/predictions", other.body(), "pods");
  CHECK(refused.status == 403);
  CHECK(refused.body.find("workload fraud, and the token is limited to price") !=
        std::string::npos);
  CHECK(agent.rows() == 1);
  CHECK(agent.ask("POST", "/api/v1/predictions", own.body(), "warehouse").status == 403);
}

TEST_CASE("who labels and reads one workload does not touch another's") {
  Agent agent;
  Pod own("price"), other("fraud");
  const std::string mine = own.predict(), theirs = other.predict();
  other.head.stream = truth::make_uuid7(Time{1s}, 2, 2);
  agent.ask("POST", "/api/v1/predictions", own.body());
  agent.ask("POST", "/api/v1/predictions", other.body());
  CHECK(agent.ask("POST", "/api/v1/labels", label(mine), "warehouse").body.find("\"joined\"") !=
        std::string::npos);
  CHECK(agent.ask("POST", "/api/v1/labels", label(theirs), "warehouse").body.find("\"joined\"") ==
        std::string::npos);
  CHECK(agent.ask("POST", "/api/v1/labels?workload=fraud", label(theirs), "warehouse").status ==
        403);
  const auto rows = agent.ask(
      "GET", "/api/v1/export?from=2000-01-01T00:00:00Z&to=2200-01-01T00:00:00Z", "", "warehouse");
  CHECK(rows.body.find(mine) != std::string::npos);
  CHECK(rows.body.find(theirs) == std::string::npos);
  const auto truth = agent.ask("GET", "/api/v1/truth", "", "warehouse");
  CHECK(truth.body.find("price") != std::string::npos);
  CHECK(truth.body.find("fraud") == std::string::npos);
}

TEST_CASE("what is erased at one agent of a pair is erased at the other, also when it was away") {
  Pair pair;
  Pod pod("price");
  const std::string id = pod.predict("customer-7"), kept = pod.predict("customer-8");
  const std::string shipment = pod.body();
  for (const Agent& agent : pair.agents)
    REQUIRE(agent.ask("POST", "/api/v1/predictions", shipment).status == 200);
  const auto erased = pair.agents[0].ask("POST", "/api/v1/erase", R"({"id": "customer-7"})");
  CHECK(erased.status == 200);
  CHECK(erased.body.find("\"state\":\"erased\"") != std::string::npos);
  for (const Agent& agent : pair.agents) CHECK(agent.rows() == 1);

  pair.agents[1].stop();
  const auto queued = pair.agents[0].ask(
      "POST", "/api/v1/erase",
      label(kept).replace(label(kept).find(",\"label\""), std::string::npos, "}"));
  CHECK(queued.body.find("\"state\":\"queued\"") != std::string::npos);
  pair.agents[1].start();
  CHECK(within(20s, [&] { return pair.agents[1].rows() == 0; }));

  const std::string journal = pair.agents[0].journal();
  CHECK(journal.find("\"action\":\"erase\"") != std::string::npos);
  CHECK(journal.find("\"caller\":\"all\"") != std::string::npos);
  CHECK(journal.find("customer-7") == std::string::npos);
  CHECK(journal.find(kept) == std::string::npos);
  CHECK(journal.find("\"action\":\"export\"") != std::string::npos);
}

TEST_CASE("the freshness probe sees its outcome, and is in no other figure") {
  Agent agent(free_port(), 0, 50ms);
  const auto page = [&] {
    wire::TextSink sink(wire::Format::text);
    for (wire::Collector* collector : agent.truth->collectors()) collector->collect(sink);
    return sink.finish();
  };
  REQUIRE(within(20s, [&] {
    return page().find("outrider_agent_truth_probes_total{result=\"seen\"} 3") != std::string::npos;
  }));
  const std::string text = page();
  CHECK(text.find("outrider_agent_truth_probes_total{result=\"lost\"} 0") != std::string::npos);
  CHECK(text.find("outrider_outcomes_total{") == std::string::npos);
  CHECK(text.find("outrider-freshness-probe") == std::string::npos);
  CHECK(text.find("outrider_truth_predictions_received_total{seen=\"first\"} 0") !=
        std::string::npos);
  CHECK(text.find("outrider_truth_streams 0") != std::string::npos);
  CHECK(agent.rows() == 0);
  CHECK(agent.counted() == 0);
}

}  // namespace outrider::fleet
