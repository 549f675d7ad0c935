// SPDX-License-Identifier: Apache-2.0
#include "predictor/retrain/request.h"

#include "base/core/text.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::retrain;

TEST_CASE("the agent's body is read, with nulls and without") {
  const auto read = parse_request(
      R"({"model": "m", "version": null, "reason": "fell", "since": "2026-01-31T12:00:00Z", "incident": "i", "idempotency_key": "k", "action": "retrain"})");
  CHECK(read->value() == Request{"m", "", "fell", "i", "k", parse_rfc3339("2026-01-31T12:00:00Z")});
  CHECK(parse_request("")->value() == Request{});
  CHECK(parse_request(R"({"since": ""})")->value() == Request{});
  CHECK(parse_request(R"({"since": 1700000000})")->value().since ==
        Time{std::chrono::seconds(1700000000)});
}

TEST_CASE("what is wrong with a body is told") {
  CHECK_THAT(parse_request("{").error().message, Catch::Contains("at byte"));
  CHECK_THAT(parse_request("[]").error().message, Catch::Contains("expected an object"));
  CHECK_THAT(parse_request(R"({"model": 7})").error().message,
             Catch::Contains("'model': expected a text"));
  CHECK_THAT(parse_request(R"({"since": "soon"})").error().message, Catch::Contains("'since'"));
  CHECK(parse_request(R"({"alerts": 7})").error().code == "bad_request");
}

TEST_CASE("Alertmanager's body: the first firing alert speaks, resolved ones do not") {
  const std::string body =
      R"({"version": "4", "groupKey": "g", "status": "firing", "alerts": [
        {"status": "resolved", "labels": {}, "fingerprint": "a"},
        {"status": "firing", "labels": {"alertname": "ModelAccuracyDropped", "model_name": "m", "model_version": "v1"},
         "annotations": {"description": "fell"}, "startsAt": "2026-01-31T12:00:00Z", "fingerprint": "f"}]})";
  const Request request = parse_request(body)->value();
  CHECK(request.model == "m");
  CHECK(request.version == "v1");
  CHECK(request.reason == "ModelAccuracyDropped: fell");
  CHECK(request.idempotency_key == "g/f/2026-01-31T12:00:00Z");
  CHECK(request.since == parse_rfc3339("2026-01-31T12:00:00Z"));
  CHECK_FALSE(parse_request(R"({"alerts": [{"status": "resolved"}]})")->has_value());
  CHECK_FALSE(parse_request(R"({"alerts": []})")->has_value());
}

TEST_CASE("a request survives its way through JSON") {
  const Request request{"m", "v1", "r\"\n", "i", "k", parse_rfc3339("2026-01-31T12:00:00.5Z")};
  CHECK(parse_request(wire::to_text(to_json(request)))->value() == request);
}
