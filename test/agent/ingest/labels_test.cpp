// SPDX-License-Identifier: Apache-2.0
#include "agent/ingest/labels.h"

#include <algorithm>
#include <memory>

#include "test/support/catch.h"
#include "test/truth/log_fixture.h"
#include "truth/api/label_api.h"

namespace outrider::ingest {
namespace {

std::vector<ForwardedLabel> read(std::string_view body) {
  auto labels = read_forwarded_labels(body);
  INFO(body);
  REQUIRE(labels);
  return *labels;
}

// A sidecar's answer with these results.
std::string results(const std::vector<std::string>& words) {
  wire::Json list = wire::Json::array();
  for (const std::string& word : words) list.push_back({{"id", "x"}, {"result", word}});
  return wire::to_text({{"results", list}});
}

TEST_CASE("labels are read in every shape, and kept as they were written") {
  CHECK(read(R"({"id":"a","label":1})").size() == 1);
  CHECK(read(R"([{"id":"a","label":1},{"id":7,"label":"x","row":2}])")[1].id == "7_2");
  const auto lines =
      read("{\"id\":\"a\",\"label\":1}\noops\n{\"id\":\"b\",\"label\":1,\"prediction\":2}\n");
  REQUIRE(lines.size() == 3);
  CHECK_FALSE(lines[0].self_contained);
  CHECK(lines[1].error.find("line 2") != std::string::npos);
  CHECK(lines[2].self_contained);
  const auto sagemaker = read(
      R"({"groundTruthData":{"data":"1,cat","encoding":"CSV"},"eventMetadata":{"eventId":"e"}})");
  REQUIRE(sagemaker.size() == 2);
  CHECK(sagemaker[1].id == "e_1");
  CHECK(sagemaker[1].json == R"({"id":"e","label":"cat","row":1})");
  CHECK(read_forwarded_labels("{").error().code == "invalid_json");
  CHECK(read_forwarded_labels(" ").error().code == "empty_body");
  CHECK_FALSE(read(R"([5,{"label":1}])")[1].error.empty());
}

TEST_CASE("a self-contained label goes to one sidecar, the same again, others are asked of all") {
  const auto labels =
      read(R"([{"id":"a","label":1},{"id":"b","label":1,"prediction":2,"model_version":"v"}])");
  const LabelFanOut fan_out(labels, {"http://one", "http://two", "http://three"});
  const auto questions = fan_out.questions();
  std::size_t plain = 0, whole = 0;
  for (const auto& question : questions) {
    if (question.fan_out) {
      ++plain;
      CHECK(question.body == R"([{"id":"a","label":1}])");
    } else {
      ++whole;
      CHECK(question.sidecar == choose_sidecar("b", {"http://three", "http://two", "http://one"}));
    }
  }
  CHECK(plain == 3);
  CHECK(whole == 1);
}

TEST_CASE("a sidecar that goes moves only its own ids, and each has its share") {
  const std::vector<std::string> three = {"http://one", "http://two", "http://three"};
  const std::vector<std::string> two = {"http://one", "http://two"};
  int moved = 0, third = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::string id = "id-" + std::to_string(i);
    const std::string& before = choose_sidecar(id, three);
    third += before == "http://three";
    moved += before != "http://three" && before != choose_sidecar(id, two);
  }
  CHECK(moved == 0);
  CHECK(third > 800);
  CHECK(third < 1200);
}

TEST_CASE("the best answer counts, and unknown needs everybody's") {
  const auto labels =
      read(R"([{"id":"a","label":1},{"id":"b","label":1},{"id":"c","label":1},{"label":1}])");
  LabelFanOut fan_out(labels, {"http://one", "http://two"});
  const auto questions = fan_out.questions();
  REQUIRE(questions.size() == 2);
  fan_out.take_answer(questions[0], results({"unknown", "evicted", "unknown"}));
  auto answers = fan_out.answers();
  SECTION("both answer") {
    fan_out.take_answer(questions[1], results({"joined", "unknown", "unknown"}));
    answers = fan_out.answers();
    CHECK(answers[0].outcome == LabelOutcome::joined);
    CHECK(answers[1].outcome == LabelOutcome::evicted);
    CHECK(answers[2].outcome == LabelOutcome::unknown);
    CHECK(answers[3].outcome == LabelOutcome::invalid);
    const auto again = fan_out.ask_again();
    REQUIRE(again.size() == 2);
    CHECK(again[0].body == R"([{"id":"c","label":1}])");
    fan_out.take_answer(again[0], results({"joined"}));
    CHECK(fan_out.answers()[2].outcome == LabelOutcome::joined);
  }
  SECTION("one is silent") {
    fan_out.take_answer(questions[1], fail("timeout", "…"));
    answers = fan_out.answers();
    CHECK(answers[0].outcome == LabelOutcome::unavailable);
    CHECK(answers[0].message.find("http://two (timeout)") != std::string::npos);
    CHECK(answers[1].outcome == LabelOutcome::unavailable);
    CHECK(fan_out.ask_again().empty());
  }
  SECTION("one answers nonsense") {
    for (const char* body :
         {"", "[]", "{}", R"({"results":[]})", R"({"results":[1,2,3]})", "<html>"}) {
      LabelFanOut other(labels, {"http://one"});
      other.take_answer(other.questions()[0], std::string(body));
      INFO(body);
      CHECK(other.answers()[0].outcome == LabelOutcome::unavailable);
    }
  }
  SECTION("joined counts even when another is silent") {
    LabelFanOut other(labels, {"http://one", "http://two"});
    other.take_answer(questions[0], results({"joined", "duplicate", "unknown"}));
    other.take_answer(questions[1], fail("unreachable", "…"));
    CHECK(other.answers()[0].outcome == LabelOutcome::joined);
    CHECK(other.answers()[1].outcome == LabelOutcome::duplicate);
    CHECK(other.answers()[2].outcome == LabelOutcome::unavailable);
  }
}

// A real log behind a real server, as a sidecar has them.
struct Pod {
  Pod() {
    fixture.open();
    net::Router router;
    truth::add_label_routes(router, *fixture.log);
    server = std::make_unique<net::HttpServer>(
        net::HttpServer::Settings{.listen_address = "127.0.0.1:0", .connections_max = 4},
        std::move(router));
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(server->port()); }
  truth::test::LogFixture fixture;
  std::unique_ptr<net::HttpServer> server;
};

TEST_CASE("labels sent to the agent reach the pod that made the prediction, and count once") {
  Pod pods[3];
  std::vector<std::string> ids;
  LabelForwarder::Settings settings;
  settings.ask_again_after = std::chrono::milliseconds(1);
  settings.timeout = std::chrono::seconds(5);
  std::uint64_t serial = 0;
  for (Pod& pod : pods) {
    settings.sidecars.push_back(pod.url());
    pod.fixture.serial = ++serial * 1000;
    for (int i = 0; i < 5; ++i) ids.push_back(pod.fixture.predict(1));
  }
  LabelForwarder forwarder(settings);
  net::HttpRequest request;
  for (const std::string& id : ids) request.body += "{\"id\":\"" + id + "\",\"label\":2}\n";
  request.body += "{\"id\":\"whole\",\"label\":2,\"prediction\":2,\"model_version\":\"v1\"}\n";
  request.body += "{\"id\":\"nobodys\",\"label\":2}\n{\"id\":\"x\"}\n";

  const auto counts = [](const net::HttpResponse& response) {
    return (*wire::parse_json(response.body))["counts"];
  };
  const auto first = forwarder.take(request);
  CHECK(first.status == 200);
  CHECK(counts(first) == wire::Json({{"joined", 16}, {"invalid", 1}, {"unknown", 1}}));
  const auto second = forwarder.take(request);
  CHECK(counts(second) == wire::Json({{"duplicate", 16}, {"invalid", 1}, {"unknown", 1}}));
  std::uint64_t joined = 0, unknown = 0, invalid = 0;
  for (Pod& pod : pods) {
    joined += pod.fixture.counted(truth::LabelResult::joined);
    unknown += pod.fixture.counted(truth::LabelResult::unknown);
    invalid += pod.fixture.counted(truth::LabelResult::invalid);
  }
  CHECK(joined == 16);
  CHECK(unknown == 0);  // The agent's to count.
  CHECK(invalid == 0);
  wire::TextSink sink(wire::Format::text);
  forwarder.collect(sink);
  const std::string page = sink.finish();
  CHECK(page.find("result=\"unknown\"} 2") != std::string::npos);
  CHECK(page.find("result=\"invalid\"} 2") != std::string::npos);

  pods[1].server.reset();
  const auto third = forwarder.take(request);
  CHECK(third.status == 503);
  CHECK(third.headers.at(0).name == "Retry-After");
  CHECK((*wire::parse_json(third.body))["error"] == "sidecars_unavailable");
}

TEST_CASE("a name stands for all its addresses, one that has none answers 503") {
  LabelForwarder local({.sidecars = {"dns+http://localhost:9501"}});
  const auto urls = local.resolve();
  REQUIRE(urls);
  CHECK(std::find_if(urls->begin(), urls->end(), [](const std::string& url) {
          return url == "http://127.0.0.1:9501" || url == "http://[::1]:9501";
        }) != urls->end());
  LabelForwarder secure({.sidecars = {"dns+https://localhost:9501"}});
  const auto named = secure.resolve();
  REQUIRE(named);
  CHECK(std::find_if(named->begin(), named->end(), [](const std::string& url) {
          return url == "https://localhost:9501@127.0.0.1" || url == "https://localhost:9501@[::1]";
        }) != named->end());
  LabelForwarder nobody({.sidecars = {}});
  net::HttpRequest request;
  request.body = R"({"id":"a","label":1})";
  CHECK(nobody.take(request).status == 503);
  LabelForwarder wrong({.sidecars = {"dns+sidecars:9501"}});
  CHECK(wrong.resolve().error().code == "bad_address");
}

}  // namespace
}  // namespace outrider::ingest
