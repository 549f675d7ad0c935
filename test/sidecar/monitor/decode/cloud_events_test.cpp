// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/cloud_events.h"

#include <map>

#include "base/core/text.h"
#include "test/support/catch.h"

namespace outrider::decode {
namespace {

using namespace std::chrono_literals;
const Time start{std::chrono::seconds(1'700'000'000)};

FieldOf fields(std::map<std::string, std::string, std::less<>> values) {
  return [values = std::move(values)](std::string_view name) -> std::string_view {
    const auto found = values.find(name);
    return found == values.end() ? std::string_view() : std::string_view(found->second);
  };
}

CloudEvent event(const std::string& id, bool response, std::size_t bytes = 10) {
  CloudEvent made;
  made.id = id;
  made.is_response = response;
  made.data = std::string(bytes, 'x');
  return made;
}

}  // namespace

TEST_CASE("events are read in binary, structured and batch mode") {
  const FieldOf binary = fields({{"ce-id", "a"},
                                 {"ce-type", "org.kubeflow.serving.inference.request"},
                                 {"ce-time", "2026-01-31T12:00:00Z"},
                                 {"ce-inferenceservicename", "income"},
                                 {"Content-Type", "application/json"}});
  auto events = parse_cloud_events(binary, R"({"instances":[1]})");
  REQUIRE(events);
  REQUIRE(events->size() == 1);
  CHECK(events->front().id == "a");
  CHECK_FALSE(events->front().is_response);
  CHECK(events->front().model_name == "income");
  CHECK(events->front().data == R"({"instances":[1]})");
  CHECK(events->front().time == parse_rfc3339("2026-01-31T12:00:00Z"));

  events =
      parse_cloud_events(fields({{"Content-Type", "application/cloudevents-batch+json"}}),
                         R"([{"id":"a","type":"x.inference.response","data":{"predictions":[1]}},
          {"id":"b","type":"x.inference.request","data_base64":"eyJhIjoxfQ=="}])");
  REQUIRE(events);
  REQUIRE(events->size() == 2);
  CHECK((*events)[0].is_response);
  CHECK((*events)[0].data == R"({"predictions":[1]})");
  CHECK((*events)[1].data == R"({"a":1})");
}

TEST_CASE("a response's status is its statuscode, and 200 where it has none") {
  const auto status_of = [](const std::string& type, const std::string& status) {
    const auto events = parse_cloud_events(
        fields({{"ce-id", "a"}, {"ce-type", type}, {"ce-statuscode", status}}), "{}");
    return events ? events->front().status : -1;
  };
  const std::string response = "org.kubeflow.serving.inference.response";
  CHECK(status_of(response, "") == 200);
  CHECK(status_of(response, "422") == 422);
  CHECK(status_of(response, " 503 ") == 503);
  for (const char* bad : {"4xx", "0", "99", "600", "-1", "200.5", "99999999999999999999"})
    CHECK(status_of(response, bad) == -1);
  // Of a request it says nothing.
  CHECK(status_of("org.kubeflow.serving.inference.request", "500") == 200);

  const auto events = parse_cloud_events(
      fields({{"Content-Type", "application/cloudevents-batch+json"}}),
      R"([{"id":"a","type":"x.inference.response","statuscode":500,"data":{"error":"x"}},
          {"id":"b","type":"x.inference.response","statuscode":"404"},
          {"id":"c","type":"x.inference.response","statuscode":null},
          {"id":"d","type":"x.inference.response"}])");
  REQUIRE(events);
  std::vector<int> statuses;
  for (const CloudEvent& one : *events) statuses.push_back(one.status);
  CHECK(statuses == std::vector<int>{500, 404, 200, 200});
}

TEST_CASE("what is no event says what is wrong") {
  const auto fail_of = [](const FieldOf& field, std::string_view body) {
    const auto events = parse_cloud_events(field, body);
    REQUIRE_FALSE(events);
    return std::string(events.error().code) + ": " + events.error().message;
  };
  CHECK_THAT(fail_of(fields({}), "{}"), Catch::Contains("expected an id"));
  CHECK_THAT(fail_of(fields({{"ce-id", "a"}, {"ce-type", "ping"}}), ""),
             Catch::Contains("type 'ping': expected"));
  const FieldOf structured = fields({{"Content-Type", "application/cloudevents+json"}});
  CHECK_THAT(fail_of(structured, "{"), Catch::Contains("invalid_json"));
  CHECK_THAT(fail_of(structured, "[]"), Catch::Contains("expected an object"));
  CHECK_THAT(fail_of(structured, R"({"id":"a","type":"inference.request","data_base64":"*"})"),
             Catch::Contains("expected base64"));
  CHECK_THAT(fail_of(fields({{"Content-Type", "application/cloudevents-batch+json"}}), "{}"),
             Catch::Contains("expected a list"));
  CHECK_THAT(fail_of(structured, R"({"id":"a","type":"inference.response","statuscode":[200]})"),
             Catch::Contains("statuscode '[200]': expected an HTTP status, 100 to 599"));
}

TEST_CASE("a request and a response of one id make a pair, whichever comes first") {
  EventPairs pairs;
  CHECK_FALSE(pairs.add(event("a", false), start));
  CHECK_FALSE(pairs.add(event("b", true), start));
  CHECK_FALSE(pairs.add(event("a", false), start));  // Sent again.
  const auto a = pairs.add(event("a", true), start);
  REQUIRE(a);
  CHECK_FALSE(a->request.is_response);
  CHECK(a->response.is_response);
  CHECK(pairs.add(event("b", false), start));
  CHECK(pairs.waiting() == 0);
  CHECK(pairs.take_given_up(start + 1h) == 0);
}

TEST_CASE("what comes again is no second exchange, as long as its pair is remembered") {
  EventPairs pairs({.entries = 3, .bytes = 1 << 20, .age = 1min});
  pairs.add(event("a", false), start);
  CHECK(pairs.add(event("a", true), start));
  CHECK_FALSE(pairs.add(event("a", true), start));
  CHECK_FALSE(pairs.add(event("a", false), start));
  CHECK(pairs.duplicates() == 2);
  CHECK(pairs.waiting() == 0);
  for (const std::string id : {"b", "c", "d"}) {
    pairs.add(event(id, false), start);
    CHECK(pairs.add(event(id, true), start));
  }
  CHECK_FALSE(pairs.add(event("d", false), start));
  CHECK_FALSE(pairs.add(event("a", false), start));
  CHECK(pairs.waiting() == 1);  // Forgotten: three were remembered.
}

TEST_CASE("services that pass one id on do not take each other's halves") {
  const auto posted = [](const std::string& component, const std::string& type) {
    const auto events = parse_cloud_events(fields({{"ce-id", "same"},
                                                   {"ce-type", "x.inference." + type},
                                                   {"ce-component", component},
                                                   {"ce-inferenceservicename", "m"},
                                                   {"ce-namespace", "n"},
                                                   {"ce-endpoint", "default"}}),
                                           "{}");
    REQUIRE(events);
    return events->front();
  };
  EventPairs pairs;
  CHECK_FALSE(pairs.add(posted("transformer", "request"), start));
  CHECK_FALSE(pairs.add(posted("predictor", "request"), start));
  const auto inner = pairs.add(posted("predictor", "response"), start);
  REQUIRE(inner);
  CHECK(inner->request.component == "predictor");
  const auto outer = pairs.add(posted("transformer", "response"), start);
  REQUIRE(outer);
  CHECK(outer->request.component == "transformer");
  CHECK(inner->request.key() != outer->request.key());

  const auto structured = parse_cloud_events(
      fields({{"Content-Type", "Application/CloudEvents+JSON"}}),
      R"({"id":"same","type":"x.inference.request","component":"predictor","namespace":"n",)"
      R"("endpoint":"default","inferenceservicename":"m"})");
  REQUIRE(structured);
  CHECK(structured->front().key() == inner->request.key());
  CHECK_FALSE(parse_cloud_events(fields({{"ce-id", "a"},
                                         {"ce-type", "x.inference.request"},
                                         {"ce-namespace", std::string(2'000, 'n')}}),
                                 ""));
}

TEST_CASE("a body without fields of its own says what it is") {
  const auto said = [](std::string_view body, std::string_view type = "image/png") {
    const BodyNature nature = nature_of(body, type);
    return std::string(nature.type) + "|" + std::string(nature.coding) + "|" + nature.json_bytes;
  };
  CHECK(said("PNG") == "image/png||");
  CHECK(said("") == "image/png||");
  CHECK(said(R"( {"a":"}\"{"} )") == "application/json||");
  CHECK(said("[1]") == "application/json||");
  CHECK(said(R"({"inputs":[]}abc)") == "application/json||13");
  CHECK(said("{\"a\":1}\n{\"a\":2}\n", "application/x-ndjson") == "application/x-ndjson||");
  CHECK(said("{\"a\":", "text/plain") == "application/json||");
  CHECK(said("{\"a") == "application/json||");
  CHECK(said("data: {}\n\n") == "text/event-stream||");
  CHECK(said("\x1f\x8b\x08") == "image/png|gzip|");
  CHECK(said("\x28\xb5\x2f\xfd") == "image/png|zstd|");
}

TEST_CASE("halves that wait too long, or for which there is no room, are given up and counted") {
  EventPairs pairs({.entries = 3, .bytes = 1 << 20, .age = 1min});
  for (int i = 0; i < 5; ++i) pairs.add(event(std::to_string(i), false), start + i * 1s);
  CHECK(pairs.waiting() == 3);
  CHECK(pairs.take_given_up(start + 5s) == 2);
  CHECK(pairs.take_given_up(start + 62s) == 1);
  CHECK(pairs.clear() == 2);

  EventPairs small({.entries = 100, .bytes = 1'000, .age = 1min});
  CHECK_FALSE(small.add(event("a", false, 700), start));
  CHECK_FALSE(small.add(event("b", false, 700), start));
  CHECK(small.waiting() == 1);
  CHECK(small.take_given_up(start) == 1);
  for (int i = 0; i < 1'000; ++i) {  // Completed pairs leave nothing behind.
    const std::string id = "p" + std::to_string(i);
    small.add(event(id, false), start);
    CHECK(small.add(event(id, true), start));
  }
}

}  // namespace outrider::decode
