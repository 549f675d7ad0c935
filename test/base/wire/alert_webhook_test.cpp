// SPDX-License-Identifier: Apache-2.0
#include "base/wire/alert_webhook.h"

#include <string>

#include "base/core/text.h"
#include "test/support/catch.h"

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
// Of the webhook, else of its first alert.
std::string message_of(const std::string& body) {
  const auto webhook = parse_alert_webhook(body);
  if (!webhook) return webhook.error().message;
  return webhook->invalid.empty() ? "" : webhook->invalid.front().error.message;
}

// As Grafana's documentation shows its own webhook; a resolved alert has what a firing one has.
constexpr std::string_view grafana =
    R"({"receiver":"outrider","status":"firing","orgId":1,"alerts":[
{"status":"firing","labels":{"alertname":"High memory usage","team":"blue","zone":"us-1"},
 "annotations":{"description":"The system has high memory usage","summary":"This alert was triggered for zone us-1"},
 "startsAt":"2021-10-12T09:51:03.157076+02:00","endsAt":"0001-01-01T00:00:00Z",
 "generatorURL":"https://play.grafana.org/alerting/1afz29v7z/edit","fingerprint":"c6eadffa33fcdf37",
 "silenceURL":"https://play.grafana.org/alerting/silence/new?alertmanager=grafana",
 "dashboardURL":"","panelURL":"","imageURL":"https://example.org/a.png","values":{"B":44.23943737541908,"C":1},
 "valueString":"[ var='B' labels={team=blue, zone=us-1} value=44.2 ]"},
{"status":"resolved","labels":{"alertname":"High CPU usage","team":"blue","zone":"eu-1"},"annotations":{},
 "startsAt":"2021-10-12T09:56:03.157076+02:00","endsAt":"2021-10-12T09:57:03.157076+02:00",
 "generatorURL":"https://play.grafana.org/alerting/d1rdpdv7k/edit","fingerprint":"bc97ff14869b13e3",
 "values":null,"valueString":""}],
"groupLabels":{},"commonLabels":{"team":"blue"},"commonAnnotations":{},"externalURL":"https://play.grafana.org/",
"version":"1","groupKey":"{}:{}","truncatedAlerts":0,"title":"[FIRING:1] blue","state":"alerting",
"message":"**Firing**\n\nLabels:\n - alertname = High memory usage"})";

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

TEST_CASE("a webhook of Grafana is read as Alertmanager's, its own fields passed over") {
  const auto webhook = parse_alert_webhook(grafana);
  REQUIRE(webhook);
  CHECK(webhook->invalid.empty());
  REQUIRE(webhook->alerts.size() == 2);
  CHECK(webhook->alerts[0].firing);
  CHECK(webhook->alerts[0].labels.get("zone") == "us-1");
  CHECK(format_rfc3339(webhook->alerts[0].starts_at) == "2021-10-12T07:51:03.157Z");
  CHECK(!webhook->alerts[0].ends_at);
  CHECK_FALSE(webhook->alerts[1].firing);
  CHECK(format_rfc3339(*webhook->alerts[1].ends_at) == "2021-10-12T07:57:03.157Z");
}

TEST_CASE("an alert that cannot be taken is named, and the others of its group are there") {
  const std::string good =
      R"({"status":"firing","labels":{"alertname":"A"},"startsAt":"2026-01-31T12:00:00Z"})";
  const std::string nameless =
      R"({"status":"firing","labels":{"job":"x"},"startsAt":"2026-01-31T12:00:00Z"})";
  const std::string wordy =
      R"({"status":"firing","labels":{"alertname":"B"},"annotations":{"description":")" +
      std::string(20'000, 'x') + R"("},"startsAt":"2026-01-31T12:00:00Z"})";
  const auto webhook =
      parse_alert_webhook(with_alert(nameless + "," + good + "," + wordy + ",7," + good));
  REQUIRE(webhook);
  CHECK(webhook->alerts.size() == 2);
  REQUIRE(webhook->invalid.size() == 3);
  CHECK(webhook->invalid[0].index == 0);
  CHECK(webhook->invalid[0].error.code == "bad_alert");
  CHECK_THAT(webhook->invalid[0].error.message, Catch::Contains("alerts[0].labels"));
  CHECK(webhook->invalid[1].index == 2);
  CHECK(webhook->invalid[1].error.code == "alert_limit");
  CHECK_THAT(webhook->invalid[1].error.message, Catch::Contains("annotations.description"));
  CHECK(webhook->invalid[2].index == 3);
}

TEST_CASE("what is wrong with a webhook is said with its place") {
  CHECK_THAT(message_of("{}"),
             Catch::Contains("version: expected \"4\"") && Catch::Contains("\"1\" (Grafana's)"));
  CHECK_THAT(message_of(R"({"version":"2","alerts":[]})"), Catch::Contains("got \"2\""));
  // Grafana before its version 8: no list of alerts.
  CHECK_THAT(message_of(R"({"dashboardId":1,"evalMatches":[],"ruleName":"r","state":"alerting"})"),
             Catch::Contains("version: expected"));
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
  for (const AlertWebhookLimits& limits :
       {AlertWebhookLimits{.labels_max = 1}, AlertWebhookLimits{.text_bytes_max = 0}}) {
    const auto webhook = parse_alert_webhook(two, limits);
    REQUIRE(webhook);
    CHECK(webhook->alerts.empty());
    REQUIRE(webhook->invalid.size() == 2);
    CHECK(webhook->invalid[1].error.code == "alert_limit");
  }
}
