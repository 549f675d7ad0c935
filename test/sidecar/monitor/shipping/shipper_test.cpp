// SPDX-License-Identifier: Apache-2.0
// The sidecar's shipper against an agent's prediction log, over HTTP.
#include "sidecar/monitor/shipping/shipper.h"

#include <algorithm>
#include <functional>

#include "test/support/catch.h"
#include "test/support/temporary_folder.h"
#include "test/truth/log_fixture.h"
#include "truth/api/label_api.h"

namespace outrider::monitor {
namespace {

using namespace std::chrono_literals;
using truth::test::LogFixture;
using truth::test::patience;

const SystemClock wall;

// What an agent is to a sidecar.
struct Agent : LogFixture {
  explicit Agent(std::uint16_t on_port = 0) {
    settings.shipped = true;
    settings.keep_features = true;
    clock.advance(wall.now() - clock.now());
    open();
    net::Router router;
    router.add("POST", "/api/v1/predictions", [this](const net::HttpRequest& request) {
      auto shipment = truth::decode_shipment(request.body, clock.now(), true);
      if (!shipment) return net::error_response(400, shipment.error().code, "");
      auto taken = log->take(std::move(*shipment));
      return net::text_response(taken ? 200 : 503, "");
    });
    router.add("POST", "/api/v1/labels", [this](const net::HttpRequest& request) {
      return truth::handle_labels(*log, request, {});
    });
    server = std::make_unique<net::HttpServer>(
        net::HttpServer::Settings{.listen_address = "127.0.0.1:" + std::to_string(on_port)},
        std::move(router));
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(server->port()); }
  std::unique_ptr<net::HttpServer> server;
};

struct Pod {
  explicit Pod(std::vector<std::string> urls) {
    options.urls = std::move(urls);
    options.workload = "price";
    options.pod = "pod-1";
    start();
  }
  void start() {
    shipper.reset();
    shipper = std::make_unique<Shipper>(
        options, truth::Sample{}, folder.path() / "shipping",
        [](std::string_view, std::string_view) { return truth::JudgeRule{}; }, wall);
  }
  std::string predict(std::string_view name = "size") {
    const std::string id = truth::format_uuid(truth::make_uuid7(wall.now(), 1, ++serial));
    const truth::FeatureValueView value = 80.0;
    truth::RowView row{.prediction = 1.0};
    row.features = std::span(&value, 1);
    CHECK(shipper->append({.id = id,
                           .time = wall.now(),
                           .model_name = "house",
                           .model_version = "v1",
                           .feature_names = std::span(&name, 1),
                           .rows = std::span(&row, 1)},
                          1));
    return id;
  }

  TemporaryFolder folder;
  ShippingOptions options;
  std::uint64_t serial = 0;
  std::unique_ptr<Shipper> shipper;
};

net::HttpResponse label(Shipper& shipper, const std::string& id) {
  net::HttpRequest request;
  request.method = "POST";
  request.path = "/api/v1/labels";
  request.body = "{\"id\": \"" + id + "\", \"label\": 1}";
  return shipper.relay(request);
}

}  // namespace

TEST_CASE("a sidecar that ends in order has shipped everything and says so") {
  Agent agent;
  Pod pod({agent.url()});
  std::vector<std::string> ids;
  for (int i = 0; i < 50; ++i) ids.push_back(pod.predict());
  pod.shipper->caught_up(wall.now());
  CHECK(pod.shipper->stop(patience));
  const auto figures = agent.log->figures();
  CHECK(figures.shipped == 50);
  CHECK(figures.lost == 0);
  CHECK(figures.streams == 0);
  CHECK(agent.label(ids[49], 1.0) == truth::LabelResult::joined);
  CHECK(agent.joined_rows()[0].features == std::vector<truth::Feature>{{"size", 80.0}});
}

TEST_CASE("the numbers go on over a restart, so nothing is taken twice and no gap is seen") {
  Agent agent;
  Pod pod({agent.url()});
  pod.predict();
  CHECK(pod.shipper->stop(patience));
  pod.start();
  pod.predict();
  CHECK(pod.shipper->stop(patience));
  CHECK(agent.log->figures().shipped == 2);
  CHECK(agent.log->figures().shipped_again == 0);
  CHECK(agent.log->figures().lost == 0);
}

TEST_CASE("numbers that a crash took along are a gap that the agent counts") {
  Agent agent;
  Pod pod({agent.url()});
  pod.predict();
  CHECK(pod.shipper->stop(patience));
  pod.shipper.reset();
  // As a kill -9 leaves it: numbered, in no queue.
  (*truth::AcceptedCounter::open(pod.folder.path() / "shipping" / "sequence"))->add(7);
  pod.start();
  pod.predict();
  CHECK(pod.shipper->stop(patience));
  CHECK(agent.log->figures().shipped == 2);
  CHECK(agent.log->figures().lost == 7);
}

TEST_CASE("where the counter is gone the stream is a new one, and nothing is refused as known") {
  Agent agent;
  Pod pod({agent.url()});
  for (int i = 0; i < 5; ++i) pod.predict();
  CHECK(pod.shipper->stop(patience));
  pod.shipper.reset();
  std::filesystem::remove(pod.folder.path() / "shipping" / "sequence");
  pod.start();
  pod.predict();
  CHECK(pod.shipper->stop(patience));
  CHECK(agent.log->figures().shipped == 6);
}

TEST_CASE("each agent of a pair has every prediction, also one that was away") {
  Agent first;
  std::uint16_t port = 0;
  { port = Agent().server->port(); }
  Pod pod({first.url(), "http://127.0.0.1:" + std::to_string(port)});
  for (int i = 0; i < 20; ++i) pod.predict();
  CHECK_FALSE(pod.shipper->stop(500ms));
  CHECK(first.log->figures().shipped == 20);
  Agent second(port);
  pod.start();
  CHECK(pod.shipper->stop(patience));
  CHECK(second.log->figures().shipped == 20);
  CHECK(first.log->figures().shipped == 20);
}

TEST_CASE("a label at a sidecar that ships is the workload's, and goes to an agent that answers") {
  Agent agent;
  Pod pod({"http://127.0.0.1:9", agent.url()});
  const std::string id = pod.predict();
  (void)pod.shipper->stop(2s);
  const net::HttpResponse taken = label(*pod.shipper, id);
  CHECK(taken.status == 200);
  CHECK(taken.body.find("\"joined\"") != std::string::npos);
  Pod alone({"http://127.0.0.1:9"});
  const net::HttpResponse refused = label(*alone.shipper, id);
  CHECK(refused.status == 503);
  CHECK(refused.body.find("agents_unavailable") != std::string::npos);
}

TEST_CASE("an option that is missing is named") {
  const TemporaryFolder folder;
  ShippingOptions options;
  options.urls = {"http://127.0.0.1:9"};
  const auto rule = [](std::string_view, std::string_view) { return truth::JudgeRule{}; };
  CHECK_THROWS_WITH(Shipper(options, {}, folder.path(), rule, wall),
                    Catch::Contains("truth.workload"));
}

TEST_CASE("labels that turn to the second agent say whether the first may have joined them") {
  const bool may_have = GENERATE(true, false);
  std::string query = "none came";
  const auto agent = [](const std::function<net::HttpResponse(const net::HttpRequest&)>& answer) {
    net::Router router;
    router.add("POST", "/api/v1/labels", answer);
    return std::make_unique<net::HttpServer>(
        net::HttpServer::Settings{.listen_address = "127.0.0.1:0"}, std::move(router));
  };
  const auto first = agent([may_have](const net::HttpRequest&) {
    return net::error_response(503, may_have ? "log_busy" : "log_unavailable", "");
  });
  const auto second = agent([&query](const net::HttpRequest& request) {
    query = request.query;
    return net::text_response(200, "");
  });
  const auto url = [](const net::HttpServer& server) {
    return "http://127.0.0.1:" + std::to_string(server.port());
  };
  Pod pod({url(*first), url(*second)});
  CHECK(label(*pod.shipper, "order-1").status == 200);
  CHECK(query == (may_have ? "in-doubt=true&workload=price" : "workload=price"));
  Pod alone({"http://127.0.0.1:1", url(*second)});
  CHECK(label(*alone.shipper, "order-1").status == 200);
  CHECK(query == "workload=price");
}

}  // namespace outrider::monitor
