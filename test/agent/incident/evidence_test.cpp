// SPDX-License-Identifier: Apache-2.0
#include "agent/incident/evidence.h"

#include <algorithm>

#include "base/core/text.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::incident;
using namespace std::chrono_literals;

namespace {

const Time noon = *parse_rfc3339("2026-01-31T12:00:00Z");

Incident accuracy_incident() {
  Incident incident;
  incident.alert = "ModelAccuracyDropped";
  incident.model = "house-price";
  incident.version = "v1";
  incident.opened_at = incident.episode_at = noon;
  incident.annotations = {{"accuracy_before", "95%"},
                          {"accuracy_after", "72%"},
                          {"labels_since_change", "143"},
                          {"since", "2026-01-31T11:59:20Z"}};
  return incident;
}
std::string line(const Incident& incident, std::string_view kind) {
  for (const Evidence& one : incident.evidence) {
    if (one.kind == kind) return one.text;
  }
  return "";
}
Incident explained(Incident incident) {
  explain(incident);
  return incident;
}
Facts facts_with(std::vector<Facts::Subject> subjects) {
  return {.asked_at = noon, .trouble = "", .subjects = std::move(subjects), .since = {}};
}

}  // namespace

TEST_CASE("a fall in accuracy is told with both numbers, since when, and over how many labels") {
  const Incident incident = explained(accuracy_incident());
  CHECK(line(incident, "alert") ==
        "Accuracy fell from 95% to 72%, over the 143 labels since the change.");
  CHECK(line(incident, "onset") ==
        "The change began about 2026-01-31 11:59:20 UTC (estimated), 40s before the alert.");
  CHECK(incident.since == noon - 40s);
  CHECK(incident.summary ==
        "accuracy of house-price v1 fell from 95% to 72%; inputs not judged: Prometheus has not "
        "been asked yet");
}

TEST_CASE("concept drift is said only when every input was judged and none warns") {
  struct Case {
    Facts facts;
    Inputs inputs;
    std::string text;
  };
  const std::vector<Case> cases = {
      {facts_with({{"size", "stable", 0.011}, {"bedrooms", "stable", {}}}), Inputs::unchanged,
       "Inputs unchanged, relation changed: concept drift (2 inputs judged, largest PSI 0.011 "
       "(size))."},
      {facts_with({{"size", "drift", 0.5}, {"bedrooms", "stable", 0.01}}), Inputs::changed,
       "Inputs changed: size drifts: data drift."},
      {facts_with({{"size", "warning", {}}, {"bedrooms", "drift", {}}}), Inputs::changed,
       "Inputs changed: size, bedrooms drift: data drift."},
      {facts_with({{"size", "warming_up", {}}, {"bedrooms", "stable", {}}}), Inputs::not_judged,
       "Inputs not judged: 1 of 2 inputs have a verdict, all stable; the others are warming up."},
      {facts_with({}), Inputs::not_judged,
       "Inputs not judged: no drift verdict is exported for this model."},
      {{.asked_at = noon, .trouble = "no Prometheus is given", .subjects = {}, .since = {}},
       Inputs::not_judged,
       "Inputs not judged: no Prometheus is given."},
      {{}, Inputs::not_judged, "Inputs not judged: Prometheus has not been asked yet."}};
  for (const Case& one : cases) {
    Incident incident = accuracy_incident();
    incident.facts = one.facts;
    explain(incident);
    CHECK(incident.inputs == one.inputs);
    CHECK(line(incident, "inputs") == one.text);
  }
}

namespace {

using Comparison = Facts::Comparison;

Incident compared(Comparison comparison, std::vector<Facts::Subject> subjects = {}) {
  Incident incident = accuracy_incident();
  incident.facts = facts_with(std::move(subjects));
  incident.facts.comparison = std::move(comparison);
  explain(incident);
  return incident;
}

const Comparison powerful = {.moved = {},
                             .inputs = 2,
                             .rows = 340,
                             .base_rows = 1'500,
                             .rows_needed = 280,
                             .psi = 0.2,
                             .power = 0.968,
                             .enough = true};

}  // namespace

TEST_CASE("inputs are called unchanged with the shift that would have been seen and its power") {
  const Incident incident = compared(powerful);
  CHECK(incident.inputs == Inputs::unchanged);
  CHECK(incident.summary ==
        "accuracy of house-price v1 fell from 95% to 72%; inputs unchanged (power 0.96), relation "
        "changed: concept drift");
  CHECK(line(incident, "inputs") ==
        "Inputs unchanged: a shift of PSI 0.2 in any of 2 inputs would have been seen (power 0.96, "
        "340 rows since the change against 1500 before it). The relation changed: concept drift.");
  Comparison by_training = powerful;
  by_training.base = Comparison::Base::reference;
  CHECK_THAT(line(compared(by_training), "inputs"), Catch::Contains("against 1500 of training)"));
}

TEST_CASE("too few rows are called so, with how many there are and how many it takes") {
  Comparison few = powerful;
  few.rows = 60;
  few.rows_needed = 210;
  few.power = 0.061;
  few.enough = false;
  CHECK(compared(few).inputs == Inputs::not_judged);
  CHECK(compared(few).summary ==
        "accuracy of house-price v1 fell from 95% to 72%; too few rows to say whether inputs "
        "changed: 60 of 210 rows since the change");
  CHECK(line(compared(few), "inputs") ==
        "Inputs not judged: too few rows to say: 60 of 210 rows since the change (a shift of PSI "
        "0.2 would be seen with power 0.06).");
  few.rows_needed = 0;
  few.base_rows = 40;
  CHECK_THAT(line(compared(few), "inputs"), Catch::Contains("only 40 before it to compare with"));
}

TEST_CASE("inputs that moved are named, and whether with the change or before it") {
  Comparison moved = powerful;
  moved.moved = {{"size", 0.451, Comparison::Moved::at_change},
                 {"bedrooms", 0.3, Comparison::Moved::before_change},
                 {"age", 0.25, Comparison::Moved::unknown}};
  CHECK(compared(moved).inputs == Inputs::changed);
  CHECK(compared(moved).summary ==
        "accuracy of house-price v1 fell from 95% to 72%; inputs changed (size, bedrooms, age): "
        "data drift");
  CHECK(line(compared(moved), "inputs") ==
        "Inputs changed: size (PSI 0.45) moved with the change; bedrooms (PSI 0.30) had moved away "
        "from training before it; age (PSI 0.25) moved away from training; too few rows say "
        "whether before the change, over 340 rows since the change: data drift.");
}

TEST_CASE(
    "the comparison since the change outweighs the panes' verdicts but for how inputs go "
    "together") {
  CHECK(compared(powerful, {{"size", "warning", 0.3}}).inputs == Inputs::unchanged);
  CHECK(compared(powerful, {{"multivariate", "drift", {}}}).inputs == Inputs::changed);
}

TEST_CASE("why inputs could not be compared is said where no verdict stands in") {
  Incident incident = accuracy_incident();
  incident.facts = facts_with({{"size", "warming_up", {}}});
  incident.facts.comparison_trouble = "Prometheus has no samples from before the change";
  CHECK(line(explained(incident), "inputs") ==
        "Inputs not judged: those since the change could not be compared: Prometheus has no "
        "samples from before the change.");
  incident.facts.subjects = {{"size", "stable", {}}};
  CHECK(explained(incident).inputs == Inputs::unchanged);
}

TEST_CASE("a comparison outlives the journal") {
  Comparison moved = powerful;
  moved.moved = {{"size", 0.5, Comparison::Moved::before_change}};
  const Incident incident = compared(moved);
  const auto again = incident_from_json(to_json(incident));
  REQUIRE(again);
  CHECK(again->facts.comparison == incident.facts.comparison);
}

TEST_CASE("unchanged inputs of an alert that is not about accuracy are no concept drift") {
  Incident incident = accuracy_incident();
  incident.annotations = {{"description", "p99 is 3 s"}, {"summary", "A model answers slowly."}};
  incident.facts = facts_with({{"size", "stable", {}}});
  explain(incident);
  CHECK(line(incident, "inputs") == "Inputs unchanged (1 input judged).");
  CHECK(line(incident, "alert") == "p99 is 3 s");
  CHECK(incident.summary == "A model answers slowly.");
}

TEST_CASE(
    "the change's beginning comes from the alert, else from Prometheus, else it is not known") {
  Incident incident = accuracy_incident();
  incident.annotations.set("since", "1769860800.5");
  CHECK(explained(incident).since == *parse_rfc3339("2026-01-31T12:00:00.500Z"));
  incident.annotations.set("since", "");
  incident.facts.since = noon - 1min;
  CHECK(explained(incident).since == noon - 1min);
  incident.facts.since.reset();
  CHECK(!explained(incident).since);
  CHECK(line(explained(incident), "onset") == "When the change began is not known.");
  incident.annotations.set("since", "soon");
  CHECK(!explained(incident).since);
}

TEST_CASE("changes near the beginning, of this model or of none, are evidence") {
  Incident incident = accuracy_incident();
  explain(incident);
  const std::vector<Change> recent = {{"1", "promotion", "house-price", "v1", "", noon - 55s},
                                      {"2", "promotion", "fraud", "v9", "", noon - 50s},
                                      {"3", "config", "", "", "feature store moved", noon - 10min},
                                      {"4", "deployment", "house-price", "v0", "", noon - 3h}};
  incident.changes = related_changes(incident, recent);
  REQUIRE(incident.changes.size() == 2);
  explain(incident);
  CHECK(
      line(incident, "change") ==
      "Config at 2026-01-31 11:50:00 UTC, 9m20s before the estimated change: feature store moved.");
  CHECK(incident.evidence.back().text ==
        "Promotion of house-price v1 at 2026-01-31 11:59:05 UTC, 15s before the estimated change.");
}

TEST_CASE("at most twenty changes are kept, the nearest") {
  Incident incident = accuracy_incident();
  explain(incident);
  std::vector<Change> recent;
  for (int i = 0; i < 50; ++i) {
    recent.push_back({std::to_string(i), "config", "", "", "", noon - 40s - i * 1min});
  }
  const auto related = related_changes(incident, recent);
  REQUIRE(related.size() == 20);
  CHECK(related.back().id == "0");
  CHECK(related.front().id == "19");
}

TEST_CASE("explaining twice changes nothing") {
  Incident incident = explained(accuracy_incident());
  const auto once = to_json(incident);
  explain(incident);
  CHECK(to_json(incident) == once);
}

TEST_CASE("a change event says what is wrong with it") {
  const auto change = parse_change(
      R"({"kind": "promotion", "model": "m", "version": "v2", "at": 1769860800})", noon);
  REQUIRE(change);
  CHECK(change->at == noon);
  CHECK(change->id == "promotion-m-v2-1769860800000");
  CHECK(parse_change(R"({"kind": "config"})", noon)->at == noon);
  CHECK(parse_change(R"({"kind": "warning"})", noon)->is_warning());  // As Kubernetes tells it.
  CHECK_THAT(parse_change(R"({"kind": "party"})", noon).error().message,
             Catch::Contains("kind: expected"));
  CHECK_THAT(parse_change(R"({"kind": "config", "at": "noon"})", noon).error().message,
             Catch::Contains("at: expected RFC 3339"));
  CHECK_THAT(parse_change(R"({"kind": 3})", noon).error().message,
             Catch::Contains("kind: expected text"));
  CHECK(parse_change("[]", noon).error().code == "bad_change");
  CHECK(parse_change("{", noon).error().code == "invalid_json");
  CHECK(parse_change(R"({"kind": "config", "at": 1e300})", noon).error().code == "bad_change");
}

TEST_CASE(
    "where a model runs and whose it is stands in the evidence, where there is a name for it") {
  Incident incident;
  incident.workload = "outrider-sidecar";
  explain(incident);
  CHECK(std::none_of(incident.evidence.begin(), incident.evidence.end(),
                     [](const Evidence& line) { return line.kind == "place"; }));
  incident.cluster = "eu-1";
  incident.name_space = "shop";
  incident.labels = {{"owner", "homes"}};
  explain(incident);
  REQUIRE(incident.evidence.front().kind == "place");
  CHECK(incident.evidence.front().text == "Runs as shop/outrider-sidecar in eu-1. Owner: homes.");
  // An owner that Prometheus knew, where the alert does not.
  incident.labels = {};
  incident.facts.owner = "risk";
  explain(incident);
  CHECK(incident.owner == "risk");
}

TEST_CASE("a change of another cluster's model of that name has nothing to do with it") {
  Incident incident;
  incident.model = "m";
  incident.cluster = "eu";
  incident.name_space = "shop";
  incident.episode_at = *parse_rfc3339("2026-01-31T12:00:00Z");
  const auto change = [&](const std::string& id, const std::string& model,
                          const std::string& cluster, const std::string& name_space) {
    Change one{id, "promotion", model, "v2", "", incident.episode_at};
    one.cluster = cluster;
    one.name_space = name_space;
    return one;
  };
  std::vector<std::string> related;
  for (const Change& one : related_changes(
           incident, {change("own", "m", "eu", "shop"), change("unsaid", "m", "", ""),
                      change("cluster", "", "eu", ""), change("us", "m", "us", "shop"),
                      change("bank", "m", "eu", "bank"), change("us-all", "", "us", "")})) {
    related.push_back(one.id);
  }
  CHECK(related == std::vector<std::string>{"own", "unsaid", "cluster"});
  const auto parsed = parse_change(
      R"({"kind": "promotion", "model": "m", "cluster": "eu", "namespace": "shop", "workload": "w", "at": 5})",
      {});
  REQUIRE(parsed);
  CHECK(parsed->identity() ==
        Identity{
            .cluster = "eu", .name_space = "shop", .workload = "w", .model = "m", .version = ""});
  // The same at the same moment in another cluster is another change.
  CHECK(
      parsed->id !=
      parse_change(
          R"({"kind": "promotion", "model": "m", "cluster": "us", "namespace": "shop", "workload": "w", "at": 5})",
          {})
          ->id);
}
