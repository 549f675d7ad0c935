// SPDX-License-Identifier: Apache-2.0
#include "base/wire/alert_webhook.h"

#include <catch2/catch.hpp>

#include "base/core/text.h"

using namespace outrider;
using namespace outrider::wire;

namespace {

// As Debian's Alertmanager 0.25 posted it.
constexpr std::string_view golden = R"({"receiver":"outrider-agent","status":"firing","alerts":[
{"status":"firing","labels":{"alertname":"ModelAccuracyDropped","model_name":"house-price","severity":"critical"},
 "annotations":{"description":"fell from 95% to 72%","empty":""},
 "startsAt":"2026-01-31T12:00:00.123Z","endsAt":"0001-01-01T00:00:00Z",
 "generatorURL":"http://prometheus:9090/graph","fingerprint":"0db0a6e8a7c9cee5"}],
"groupLabels":{},"commonLabels":{},"commonAnnotations":{},"externalURL":"http://am:9093","version":"4",
"groupKey":"{}:{}","truncatedAlerts":3})";

std::string with_alert(const std::string& alert) {
  return R"({"version":"4","alerts":[)" + alert + "]}";
}
std::string message_of(const std::string& body) {
  const auto webhook = parse_alert_webhook(body);
  return webhook ? "" : webhook.error().message;
}

}  // namespace

TEST_CASE("a webhook of Alertmanager is read whole") {
  const auto webhook = parse_alert_webhook(golden);
  REQUIRE(webhook);
  CHECK(webhook->group_key == "{}:{}");
  CHECK(webhook->external_url == "http://am:9093");
  CHECK(webhook->truncated_alerts == 3);
  REQUIRE(webhook->alerts.size() == 1);
  const WebhookAlert& alert = webhook->alerts.front();
  CHECK(alert.firing);
  CHECK(alert.labels.get("model_name") == "house-price");
  CHECK(alert.annotations.size() == 1);
  CHECK(format_rfc3339(alert.starts_at) == "2026-01-31T12:00:00.123Z");
  CHECK(!alert.ends_at);
  CHECK(alert.fingerprint == "0db0a6e8a7c9cee5");
}

TEST_CASE("what is wrong with a webhook is said with its place") {
  CHECK_THAT(message_of("{}"), Catch::Contains("version: expected \"4\""));
  CHECK_THAT(message_of("[1]"), Catch::Contains("expected Alertmanager's webhook object"));
  CHECK_THAT(message_of(R"({"version":"4"})"), Catch::Contains("alerts: expected a list"));
  CHECK_THAT(message_of(with_alert("7")), Catch::Contains("alerts[0]: expected an object"));
  CHECK_THAT(message_of(with_alert(R"({"status":"on"})")), Catch::Contains("alerts[0].status"));
  CHECK_THAT(message_of(with_alert(R"({"status":"firing","labels":{"a":"b"}})")),
             Catch::Contains("expected an alertname"));
  CHECK_THAT(message_of(with_alert(R"({"status":"firing","labels":{"alertname":"A","b":1}})")),
             Catch::Contains("alerts[0].labels.b: expected text"));
  CHECK_THAT(message_of(with_alert(R"({"status":"firing","labels":{"alertname":"A"}})")),
             Catch::Contains("startsAt"));
  CHECK_THAT(
      message_of(with_alert(R"({"status":"firing","labels":{"alertname":"A"},"startsAt":"noon"})")),
      Catch::Contains("expected a time such as"));
  CHECK_THAT(message_of("\"\xFF\""), Catch::Contains("not UTF-8"));
}

TEST_CASE("a webhook past a limit is refused by name of the limit") {
  const std::string alert =
      R"({"status":"firing","labels":{"alertname":"A","b":"c"},"startsAt":"2026-01-31T12:00:00Z"})";
  const std::string two = with_alert(alert + "," + alert);
  CHECK(parse_alert_webhook(two, {.alerts_max = 2}));
  CHECK(parse_alert_webhook(two, {.alerts_max = 1}).error().code == "alert_limit");
  CHECK(parse_alert_webhook(two, {.labels_max = 1}).error().code == "alert_limit");
  CHECK(parse_alert_webhook(two, {.text_bytes_max = 0}).error().code == "alert_limit");
}
