// SPDX-License-Identifier: Apache-2.0
#include "agent/query/prometheus.h"

#include "base/net/http_server.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::query;
using namespace std::chrono_literals;

TEST_CASE("an instant answer of Prometheus is read, vectors and scalars") {
  const auto vector = parse_instant_answer(
      R"({"status":"success","data":{"resultType":"vector","result":[
         {"metric":{"subject":"size","state":"drift"},"value":[1700000000.1,"1"]},
         {"metric":{},"value":[1700000000.1,"NaN"]}]}})");
  REQUIRE(vector);
  REQUIRE(vector->size() == 2);
  CHECK(vector->front().labels.get("subject") == "size");
  CHECK(vector->front().value == 1);
  const auto scalar = parse_instant_answer(
      R"({"status":"success","data":{"resultType":"scalar","result":[1,"2.5"]}})");
  REQUIRE(scalar);
  CHECK(scalar->front().value == 2.5);
}

TEST_CASE("anything else is an error with its reason") {
  CHECK(parse_instant_answer(R"({"status":"error","error":"parse error"})").error().message ==
        "parse error");
  for (
      const char* body :
      {"", "[]", "{}", R"({"status":"success"})", R"({"status":"success","data":{}})",
       R"({"status":7})", R"({"status":"success","data":{"resultType":"matrix","result":[]}})",
       R"({"status":"success","data":{"resultType":"vector","result":{}}})",
       R"({"status":"success","data":{"resultType":"vector","result":[7]}})",
       R"({"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":["x"]}]}})",
       R"({"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":1},"value":[1,"1"]}]}})"}) {
    CAPTURE(body);
    CHECK(!parse_instant_answer(body));
  }
}

TEST_CASE("the middle pod speaks for an input, what comes out of the model is no input") {
  const auto of = [](const char* subject, const char* state, double share) {
    return InstantValue{{{"subject", subject}, {"state", state}}, share};
  };
  const auto subjects = make_subjects(
      {of("size", "stable", 0.4), of("size", "warning", 0.35), of("size", "drift", 0.25),
       of("age", "stable", 0.98), of("age", "drift", 0.02), of("half", "drift", 0.5),
       of("half", "stable", 0.5), of("most", "drift", 0.6), of("most", "warming_up", 0.4),
       of("prediction", "drift", 1), of("rooms", "nonsense", 1), of("beds", "warming_up", 1),
       of("fleet", "stable", 1), of("fleet", "drift", 0)},
      {{{{"subject", "size"}}, 0.07}, {{{"subject", "beds"}}, NAN}},
      {{{{"feature", "fleet"}}, 1}, {{{"feature", "prediction"}}, 1}, {{{"feature", "gone"}}, 1}});
  using Subject = incident::Facts::Subject;
  REQUIRE(subjects.size() == 6);
  CHECK(subjects[0] == Subject{"age", "stable", std::nullopt});
  CHECK(subjects[1] == Subject{"beds", "warming_up", std::nullopt});
  CHECK(subjects[2] == Subject{"fleet", "drift", std::nullopt});
  CHECK(subjects[3] == Subject{"half", "stable", std::nullopt});
  CHECK(subjects[4] == Subject{"most", "drift", std::nullopt});
  CHECK(subjects[5] == Subject{"size", "warning", 0.07});
}

TEST_CASE("facts are gathered over HTTP, and a Prometheus that does not answer is said so") {
  net::Router router;
  std::vector<std::string> asked;
  router.add("POST", "/api/v1/query", [&asked](const net::HttpRequest& request) {
    net::HttpRequest form;
    form.query = request.body;
    asked.push_back(form.query_value("query"));
    const bool change = asked.back().find("change_timestamp") != std::string::npos;
    const std::string metric = change ? "{}" : R"({"subject":"size","state":"stable"})";
    return net::HttpResponse{
        .content_type = "application/json",
        .body = R"({"status":"success","data":{"resultType":"vector","result":[{"metric":)" +
                metric + R"(,"value":[1,")" + (change ? "1769860800" : "1") + "\"]}]}}"};
  });
  net::HttpServer server({}, std::move(router));
  Prometheus prometheus("http://127.0.0.1:" + std::to_string(server.port()) + "/");
  incident::Incident incident;
  incident.model = "a\"b";
  incident.version = "v1";
  const incident::Facts facts = gather_facts(prometheus, incident, Time{});
  CHECK(facts.trouble.empty());
  REQUIRE(facts.subjects.size() == 1);
  CHECK(facts.subjects.front().state == "stable");
  CHECK(to_unix_ms(facts.since.value()) == 1769860800000);
  REQUIRE(asked.size() == 12);
  CHECK(
      asked[4] ==
      R"(sum by (job, workload, feature, bin, reference) ((outrider_feature_values_total{model_name="a\"b",model_version="v1"} - (outrider_feature_values_total{model_name="a\"b",model_version="v1"} @ 1769860800.000)) >= 0 or outrider_feature_values_total{model_name="a\"b",model_version="v1"}) > 0)");
  CHECK(
      asked[0] ==
      R"(sum by (job, workload, subject, state) (outrider_drift_verdict{model_name="a\"b",model_version="v1"}))");

  server.stop();
  const incident::Facts none = gather_facts(prometheus, incident, Time{});
  CHECK_THAT(none.trouble, Catch::Contains("Prometheus did not answer"));
}

TEST_CASE(
    "of several workloads' values those of the incident's are taken, or of the only one there is") {
  const auto of = [](const char* job, double value) {
    return InstantValue{{{"job", job}, {"subject", "size"}}, value};
  };
  const incident::Identity who = {
      .cluster = "", .name_space = "", .workload = "rent", .model = "m", .version = ""};
  const auto own = of_workload({of("rent", 1), of("canary", 2), of("rent", 3)}, who);
  REQUIRE(own.size() == 2);
  CHECK(own[1].value == 3);
  CHECK(of_workload({of("sidecars", 1), of("sidecars", 2)}, who).size() == 2);
  CHECK(of_workload({of("a", 1), of("b", 2)}, who).empty());
  CHECK(of_workload({}, who).empty());
  CHECK(of_workload({{{{"job", "x"}, {"workload", "rent"}}, 1}, of("rent-2", 2)}, who).size() == 1);
}

TEST_CASE(
    "facts are asked of the incident's own cluster and namespace, its owner where it names none") {
  net::Router router;
  std::vector<std::string> asked;
  router.add("POST", "/api/v1/query", [&asked](const net::HttpRequest& request) {
    net::HttpRequest form;
    form.query = request.body;
    asked.push_back(form.query_value("query"));
    const bool info = asked.back().find("model_info") != std::string::npos;
    return net::HttpResponse{
        .content_type = "application/json",
        .body =
            R"({"status":"success","data":{"resultType":"vector","result":[{"metric":{"job":"w")" +
            std::string(info ? R"(,"owner":"homes")" : "") + R"(},"value":[1,"1"]}]}})"};
  });
  net::HttpServer server({}, std::move(router));
  Prometheus prometheus("http://127.0.0.1:" + std::to_string(server.port()));
  incident::Incident incident;
  incident.model = "m";
  incident.version = "v1";
  incident.cluster = "eu.1";
  incident.name_space = "shop";
  incident.workload = "w";
  CHECK(gather_facts(prometheus, incident, Time{}).owner == "homes");
  REQUIRE(asked.size() == 12);
  // A Prometheus of one cluster only adds its name to alerts: its series have none.
  CHECK(
      asked[0] ==
      R"(sum by (job, workload, subject, state) (outrider_drift_verdict{model_name="m",model_version="v1",cluster=~"eu\\.1|",namespace="shop"}))");
  CHECK(
      asked.back() ==
      R"(group by (job, workload, owner) (model:outrider_model_info:labels{model_name="m",cluster=~"eu\\.1|",namespace="shop"}))");
  incident.labels = {{"owner", "risk"}};
  CHECK(gather_facts(prometheus, incident, Time{}).owner.empty());
  CHECK(asked.size() == 23);
}
