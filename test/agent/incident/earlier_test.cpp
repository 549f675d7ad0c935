// SPDX-License-Identifier: Apache-2.0
#include "agent/incident/earlier.h"

#include "agent/incident/evidence.h"
#include "test/support/catch.h"

namespace outrider::incident {
namespace {

using namespace std::chrono_literals;

const Time now = from_unix_ms(1'769'860'800'000);  // 2026-01-31 12:00:00 UTC.

Incident incident_of(const std::string& id, Time opened, const std::string& alert = "A",
                     const std::string& workload = "shop") {
  Incident made;
  made.id = id;
  made.alert = alert;
  made.model = "house";
  made.workload = workload;
  made.opened_at = made.episode_at = opened;
  return made;
}

Diagnosis blaming(const std::string& component, const std::string& kind) {
  Diagnosis made;
  made.named = true;
  made.causes.push_back({component, kind, 0.9, 3, std::nullopt, {"evidence"}});
  return made;
}

PastCase past_of(const std::string& id, Time opened, Duration lasted,
                 std::vector<PastAction> actions = {}, const std::string& alert = "A") {
  PastCase made{incident_of(id, opened, alert), std::move(actions)};
  made.incident.open = false;
  made.incident.resolved_at = opened + lasted;
  return made;
}

TEST_CASE("what was done about the same alerts is told, and how soon they ended after it") {
  const std::vector<PastCase> cases = {
      past_of("one", now - 72h, 30min, {{"retrain", "succeeded", now - 72h + 25min}}),
      past_of("two", now - 48h, 3h, {{"retrain", "succeeded", now - 48h + 5min}}),
      past_of("three", now - 24h, 8min, {{"retrain", "succeeded", now - 24h + 1min}})};
  const Earlier earlier = earlier_like(incident_of("now", now), {}, cases);
  CHECK(earlier.times == 3);
  CHECK(earlier.cases.front().incident == "three");
  CHECK(earlier.sentence ==
        "seen 3 times before, last on 2026-01-30 12:00:00 UTC (three, the same alerts); the alerts "
        "ended within 10m of retrain 2 of 3 times (it succeeded 3 times)");
}

TEST_CASE("what was not sent, and what came after the end, is not said to have helped") {
  const Earlier earlier =
      earlier_like(incident_of("now", now), {},
                   {past_of("one", now - 48h, 5min, {{"retrain", "recommended", std::nullopt}}),
                    past_of("two", now - 24h, 5min, {{"scale", "failed", now - 24h + 20min}})});
  CHECK(earlier.sentence ==
        "seen 2 times before, last on 2026-01-30 12:00:00 UTC (two, the same alerts); the alerts "
        "ended within 10m of scale 0 of 1 time; nothing was done by the agent once");
  CHECK_FALSE(earlier.cases.front().actions.front().ended_after);
}

TEST_CASE("the same cause is alike under other alerts, and the likest comes first") {
  PastCase same_cause = past_of("cause", now - 48h, 5min, {}, "B");
  same_cause.incident.diagnosis = blaming("shop/cart", "cpu");
  PastCase both = past_of("both", now - 72h, 5min);
  both.incident.diagnosis = blaming("shop/cart", "cpu");
  PastCase other = past_of("other", now - 24h, 5min, {}, "B");
  other.incident.diagnosis = blaming("shop/cart", "memory");
  const Earlier earlier =
      earlier_like(incident_of("now", now), blaming("shop/cart", "cpu"), {same_cause, both, other});
  REQUIRE(earlier.cases.size() == 2);
  CHECK(earlier.cases[0].incident == "both");
  CHECK(earlier.cases[0].alike == "the same alerts and the same cause");
  CHECK(earlier.cases[0].cause == "shop/cart (cpu)");
  CHECK(earlier.cases[1].incident == "cause");
  // Nobody is alike in a cause that was not named.
  Diagnosis unsure = blaming("shop/cart", "cpu");
  unsure.named = false;
  CHECK(earlier_like(incident_of("now", now), unsure, {same_cause}).times == 0);
}

TEST_CASE("another model's, open, merged, later incidents and itself are no earlier ones") {
  PastCase open = past_of("open", now - 1h, 5min);
  open.incident.open = true;
  PastCase merged = past_of("merged", now - 1h, 5min);
  merged.incident.merged_into = "another";
  PastCase elsewhere = past_of("elsewhere", now - 1h, 5min);
  elsewhere.incident.workload = "bank";
  PastCase of_service = past_of("service", now - 1h, 5min);
  of_service.incident.model = "";
  const Earlier earlier =
      earlier_like(incident_of("now", now), {},
                   {open, merged, elsewhere, of_service, past_of("later", now + 1h, 5min),
                    past_of("now", now - 1h, 5min)});
  CHECK(earlier.times == 0);
  CHECK(earlier.sentence.empty());
}

TEST_CASE("a version's incident is like one of the version before, and all of many are counted") {
  std::vector<PastCase> cases;
  for (int i = 1; i <= 40; ++i) cases.push_back(past_of(std::to_string(i), now - i * 1h, 5min));
  cases[0].incident.version = "1";
  Incident incident = incident_of("now", now);
  incident.version = "2";
  const Earlier earlier = earlier_like(incident, {}, cases);
  CHECK(earlier.times == 40);
  CHECK(earlier.cases.size() == Earlier::cases_max);
  CHECK_THAT(earlier.sentence, Catch::Contains("seen 40 times before"));
}

TEST_CASE("earlier incidents are in the brief, the evidence and the JSON, and read back") {
  Incident incident = incident_of("now", now);
  incident.diagnosis = blaming("shop/cart", "cpu");
  incident.diagnosis->sentence = "root cause: shop/cart";
  incident.diagnosis->unknown = {"a", "b"};
  incident.diagnosis->causes.front().evidence = {"1", "2", "3", "4"};
  incident.diagnosis->earlier =
      earlier_like(incident, *incident.diagnosis,
                   {past_of("one", now - 24h, 5min, {{"scale", "failed", now - 24h + 1min}})});
  explain(incident);
  const std::vector<std::string> lines = brief_lines(incident);
  CHECK(lines.size() == 5);
  CHECK_THAT(lines[2], Catch::StartsWith("Seen once before, last on 2026-01-30"));
  CHECK(std::any_of(incident.evidence.begin(), incident.evidence.end(),
                    [](const Evidence& line) { return line.kind == "seen_before"; }));
  const auto json = to_json(incident);
  CHECK(json["diagnosis"]["seen_before"]["cases"][0]["actions"][0]["ended_after_seconds"] == 240);
  const auto read = incident_from_json(json);
  REQUIRE(read);
  CHECK(to_json(*read) == json);
}

}  // namespace
}  // namespace outrider::incident
