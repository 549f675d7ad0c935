// SPDX-License-Identifier: Apache-2.0
#include "agent/suspects/diagnoser.h"

#include "test/agent/suspects/system.h"
#include "test/support/catch.h"

namespace outrider::suspects::testing {
namespace {

using namespace std::chrono_literals;

const Labels alert = {{"alertname", "A"}, {"job", "checkout"}};

TEST_CASE("an incident is looked at when it opens and again while it is fresh") {
  const incident::Incident incident = incident_of({alert});
  CHECK(is_due(incident, std::nullopt, alerted));
  Looked seen{alerted, incident.episode_at, 1, 0, 1};
  CHECK_FALSE(is_due(incident, seen, alerted + 29s));
  CHECK(is_due(incident, seen, alerted + 30s));
  seen = {alerted + 30s, incident.episode_at, 1, 0, 2};
  CHECK_FALSE(is_due(incident, seen, alerted + 119s));
  CHECK(is_due(incident, seen, alerted + 2min));
  seen.times = 6;
  CHECK_FALSE(is_due(incident, seen, alerted + 24h));
}

TEST_CASE("what joins an incident makes it due, not at once each time") {
  const incident::Incident incident = incident_of({alert, {{"alertname", "A"}, {"pod", "b"}}});
  const Looked seen{alerted + 1min, incident.episode_at, 1, 0, 3};
  CHECK_FALSE(is_due(incident, seen, alerted + 74s));
  CHECK(is_due(incident, seen, alerted + 75s));
}

TEST_CASE("an incident that is reopened is looked at anew") {
  incident::Incident incident = incident_of({alert});
  incident.episode_at = alerted + 1h;
  CHECK(is_due(incident, Looked{alerted, alerted, 1, 0, 6}, alerted + 1h));
}

SliceAnswer answer(const std::string& sidecar, const std::string& verdict, double p, int rows) {
  return {sidecar, R"({"since": "2026-01-31T12:00:00Z", "verdict": ")" + verdict +
                       R"(", "summary": "says )" + sidecar + R"(", "after": {"rows": )" +
                       std::to_string(rows) + R"(}, "slices": [{"p": )" + std::to_string(p) +
                       "}]}"};
}

TEST_CASE("of the sidecars' slices the surest is told, and how many answered") {
  const incident::Slices slices =
      choose_slices({answer("http://a", "nothing_stands_out", 0.3, 9'000),
                     answer("http://b", "slices", 0.01, 100),
                     answer("http://c", "slices", 0.001, 90),
                     {"http://d", fail("unreachable", "no route")}},
                    alerted);
  CHECK(slices.summary ==
        "says http://c (by http://c; 3 of 4 sidecars answered, each for its own rows)");
  CHECK(slices.answer["verdict"] == "slices");
}

TEST_CASE("where no sidecar tells of slices it is said why") {
  CHECK_THAT(choose_slices({}, alerted).summary, Catch::Contains("--labels.sidecars"));
  const incident::Slices slices = choose_slices(
      {{"http://a", fail("refused", "\"unknown_model\" \"nobody\"")},
       {"http://b", fail("refused", "\"features_not_kept\" \"set log.keep_features\"")},
       {"http://c", std::string("{}")}},
      alerted);
  CHECK_THAT(slices.summary, Catch::Contains("features_not_kept"));
  CHECK(slices.answer.is_null());
}

}  // namespace
}  // namespace outrider::suspects::testing
