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

TEST_CASE("a fall in accuracy waits for when the change began, five seconds at most") {
  incident::Incident incident =
      incident_of({{{"alertname", "ModelAccuracyDropped"}, {"model_name", "m"}}});
  incident.annotations.set("accuracy_before", "96%");
  incident.annotations.set("accuracy_after", "84%");
  CHECK_FALSE(is_due(incident, std::nullopt, alerted + 4s));
  CHECK(is_due(incident, std::nullopt, alerted + 5s));
  incident.facts.asked_at = alerted;
  CHECK(is_due(incident, std::nullopt, alerted));
}

}  // namespace
}  // namespace outrider::suspects::testing
