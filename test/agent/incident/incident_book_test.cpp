// SPDX-License-Identifier: Apache-2.0
#include "agent/incident/incident_book.h"

#include <set>

#include "base/core/text.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::incident;
using namespace std::chrono_literals;

namespace {

using What = IncidentBook::What;

const Time noon = *parse_rfc3339("2026-01-31T12:00:00Z");

wire::WebhookAlert alert_of(Labels labels, Time starts_at = noon, bool firing = true) {
  labels.set("alertname", "ModelAccuracyDropped");
  return {.firing = firing,
          .labels = labels,
          .annotations = {{"description", "fell"}},
          .starts_at = starts_at,
          .ends_at = firing ? std::nullopt : std::optional(starts_at + 5min),
          .generator_url = "",
          .fingerprint = ""};
}
const Labels house = {{"model_name", "house-price"}, {"model_version", "v1"}};
Labels pod(const std::string& name, Labels labels = house) {
  labels.set("pod", name);
  labels.set("instance", name + ":9501");
  return labels;
}

}  // namespace

TEST_CASE("repeats and the copies of a second Alertmanager are one incident") {
  IncidentBook book;
  const auto first = book.on_alert(alert_of(house), noon + 10s);
  CHECK(first.what == What::opened);
  REQUIRE(first.incident);
  CHECK(first.incident->model == "house-price");
  CHECK(first.incident->version == "v1");
  const std::string id = first.incident->id;
  for (int i = 0; i < 5; ++i) {
    const auto again = book.on_alert(alert_of(house), noon + 11s + i * 1s);
    CHECK(again.what == What::repeated);
    CHECK(again.incident->id == id);
  }
  CHECK(book.open_count() == 1);
  CHECK(book.find(id)->notifications == 6);
}

TEST_CASE(
    "alerts that differ in pod, instance, replica or severity are one incident, in model, two") {
  IncidentBook book;
  const std::string id = book.on_alert(alert_of(pod("a")), noon).incident->id;
  Labels other = pod("b");
  other.set("severity", "critical");
  other.set("prometheus_replica", "1");
  const auto joined = book.on_alert(alert_of(other), noon);
  CHECK(joined.what == What::joined);
  CHECK(joined.incident->id == id);
  CHECK(joined.incident->severity == "critical");
  CHECK(book.on_alert(alert_of({{"model_name", "fraud"}}), noon).what == What::opened);
  CHECK(book.open_count() == 2);
}

TEST_CASE("an incident closes when its last member is resolved") {
  IncidentBook book;
  book.on_alert(alert_of(pod("a")), noon);
  const std::string id = book.on_alert(alert_of(pod("b")), noon).incident->id;
  CHECK(book.on_alert(alert_of(pod("a"), noon, false), noon + 6min).what == What::member_resolved);
  CHECK(book.find(id)->open);
  CHECK(book.on_alert(alert_of(pod("b"), noon, false), noon + 7min).what == What::resolved);
  CHECK(!book.find(id)->open);
  CHECK(book.find(id)->resolved_at == noon + 7min);
  CHECK(book.open_count() == 0);
  CHECK(book.on_alert(alert_of(pod("b"), noon, false), noon + 8min).what == What::repeated);
}

TEST_CASE("a late firing of a resolved episode does not reopen, a new episode does") {
  IncidentBook book;
  const std::string id = book.on_alert(alert_of(house), noon).incident->id;
  book.on_alert(alert_of(house, noon, false), noon + 5min);
  // The second Alertmanager of a pair, a few seconds behind.
  CHECK(book.on_alert(alert_of(house), noon + 5min + 20s).what == What::stale);
  CHECK(!book.find(id)->open);
  const auto again = book.on_alert(alert_of(house, noon + 10min), noon + 10min);
  CHECK(again.what == What::reopened);
  CHECK(again.incident->id == id);
  CHECK(again.incident->episodes == 2);
  CHECK(again.incident->episode_at == noon + 10min);
  CHECK(!again.incident->facts.asked_at);
  // A resolve of the first episode, late, does not close the second.
  CHECK(book.on_alert(alert_of(house, noon, false), noon + 11min).what == What::stale);
  CHECK(book.find(id)->open);
}

TEST_CASE("an alert that comes back with its old start long after the resolve is believed") {
  // Alertmanager resolves alerts of a Prometheus that fell silent; they return as they were.
  IncidentBook book;
  book.on_alert(alert_of(house), noon);
  book.on_alert(alert_of(house, noon, false), noon + 5min);
  CHECK(book.on_alert(alert_of(house), noon + 8min).what == What::reopened);
}

TEST_CASE("past the reopen window it is a new incident with a name of its own") {
  IncidentBook book({.reopen_window = 1h});
  const std::string id = book.on_alert(alert_of(house), noon).incident->id;
  book.on_alert(alert_of(house, noon, false), noon + 5min);
  const auto later = book.on_alert(alert_of(house, noon + 3h), noon + 3h);
  CHECK(later.what == What::opened);
  CHECK(later.incident->id != id);
  // The same start again, which cannot be told from the first by name.
  book.on_alert(alert_of(house, noon + 3h, false), noon + 4h);
  const auto same = book.on_alert(alert_of(house, noon + 3h), noon + 9h);
  CHECK(same.what == What::opened);
  CHECK(same.incident->id == later.incident->id + "-2");
}

TEST_CASE("the name of an incident follows from its alert alone") {
  IncidentBook one, other;
  CHECK(one.on_alert(alert_of(pod("a")), noon + 1s).incident->id ==
        other.on_alert(alert_of(pod("b")), noon + 1h).incident->id);
  CHECK(one.open().front()->id.starts_with("20260131T120000Z-"));
}

TEST_CASE("label sets that read alike when joined are different incidents") {
  CHECK(incident_key({{"a", "1;1:b=1:2"}}) != incident_key({{"a", "1"}, {"b", "2"}}));
}

TEST_CASE("past a limit alerts are refused, and what is known goes on") {
  IncidentBook book({.open_max = 2, .resolved_max = 1, .members_max = 2});
  book.on_alert(alert_of(pod("a")), noon);
  book.on_alert(alert_of({{"model_name", "fraud"}}), noon);
  CHECK(book.on_alert(alert_of({{"model_name", "third"}}), noon).what == What::refused);
  CHECK(book.on_alert(alert_of(pod("b")), noon).what == What::joined);
  CHECK(book.on_alert(alert_of(pod("c")), noon).what == What::refused);
  CHECK(book.on_alert(alert_of(pod("a")), noon).what == What::repeated);
}

TEST_CASE("only so many resolved incidents are remembered, the oldest goes first") {
  IncidentBook book({.resolved_max = 2});
  std::vector<std::string> ids;
  for (int i = 0; i < 4; ++i) {
    const Labels labels = {{"model_name", "m" + std::to_string(i)}};
    ids.push_back(book.on_alert(alert_of(labels), noon).incident->id);
    CHECK(book.on_alert(alert_of(labels, noon, false), noon + 1min + i * 1s).incident);
  }
  CHECK(!book.find(ids[0]));
  CHECK(!book.find(ids[1]));
  CHECK(book.find(ids[2]));
  CHECK(book.find(ids[3]));
}

TEST_CASE("a resolve of what is not known opens nothing") {
  IncidentBook book;
  CHECK(book.on_alert(alert_of(house, noon, false), noon).what == What::unknown);
  CHECK(book.open_count() == 0);
}

TEST_CASE("an incident is the same after a round trip through the journal's JSON") {
  IncidentBook book;
  auto alert = alert_of(pod("a"), noon + 123ms);
  alert.annotations.set("accuracy_before", "95%");
  alert.annotations.set("accuracy_after", "72%");
  const std::string id = book.on_alert(alert, noon + 10s).incident->id;
  book.set_facts(
      id, {.asked_at = noon, .trouble = "", .subjects = {{"size", "stable", 0.02}}, .since = noon},
      {{"c1", "promotion", "house-price", "v1", "by hand", noon - 1min}});
  const Incident& before = *book.find(id);
  const auto after = incident_from_json(*wire::parse_json(wire::to_text(to_json(before))));
  REQUIRE(after);
  CHECK(to_json(*after) == to_json(before));
  IncidentBook restored;
  restored.restore(*after);
  CHECK(restored.on_alert(alert, noon + 20s).what == What::repeated);
  CHECK(incident_from_json(wire::Json::object()).error().code == "bad_incident");
}

TEST_CASE(
    "one model name in two clusters, two namespaces and two jobs is five incidents with names of "
    "their own") {
  IncidentBook book;
  std::set<std::string> ids;
  for (const auto& [label, value] : {std::pair{"cluster", "eu"},
                                     {"cluster", "us"},
                                     {"namespace", "shop"},
                                     {"job", "canary"},
                                     {"workload", "w"}}) {
    Labels labels = house;
    labels.set(label, value);
    const auto heard = book.on_alert(alert_of(labels), noon);
    CHECK(heard.what == What::opened);
    ids.insert(heard.incident->id);
  }
  CHECK(ids.size() == 5);
}

TEST_CASE("an incident knows where its model runs and whose it is") {
  IncidentBook book;
  Labels labels = house;
  for (const auto& [label, value] :
       {std::pair{"cluster", "eu"}, {"namespace", "shop"}, {"job", "rent"}, {"owner", "homes"}}) {
    labels.set(label, value);
  }
  const Incident& incident = *book.on_alert(alert_of(labels), noon).incident;
  CHECK(incident.identity() == Identity{.cluster = "eu",
                                        .name_space = "shop",
                                        .workload = "rent",
                                        .model = "house-price",
                                        .version = "v1"});
  CHECK(incident.owner == "homes");
  const auto again = incident_from_json(to_json(incident));
  REQUIRE(again);
  CHECK(again->identity() == incident.identity());
  CHECK(again->owner == "homes");
  // As an agent wrote it that did not know of places.
  auto older = to_json(incident);
  for (const char* key : {"cluster", "namespace", "workload", "owner"}) older.erase(key);
  older["facts"].erase("owner");
  const auto read = incident_from_json(older);
  REQUIRE(read);
  CHECK(read->identity() == incident.identity());
  CHECK(read->owner == "homes");
}

TEST_CASE("an alert that gets another owner is the same incident, and the new owner's") {
  IncidentBook book;
  Labels labels = house;
  const std::string id = book.on_alert(alert_of(labels), noon).incident->id;
  labels.set("owner", "homes");
  labels.set("team", "core");
  CHECK(book.on_alert(alert_of(labels), noon + 1min).what == What::joined);
  CHECK(book.find(id)->owner == "homes");
  CHECK(book.find(id)->labels.get("team") == "core");
  // Prometheus ends the alert that had no owner.
  CHECK(book.on_alert(alert_of(house, noon, false), noon + 2min).what == What::member_resolved);
  CHECK(book.on_alert(alert_of(labels, noon, false), noon + 3min).what == What::resolved);
}

TEST_CASE("an incident of an older agent's journal, known by its team too, goes on") {
  Labels labels = house;
  labels.set("team", "core");
  IncidentBook before;
  Incident incident = *before.on_alert(alert_of(labels), noon).incident;
  incident.key += "4:team=4:core;";
  IncidentBook book;
  book.restore(incident);
  CHECK(book.on_alert(alert_of(labels), noon + 1min).what == What::repeated);
}
