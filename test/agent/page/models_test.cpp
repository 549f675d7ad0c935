// SPDX-License-Identifier: Apache-2.0
#include "agent/page/models.h"

#include "base/core/text.h"
#include "test/support/catch.h"

namespace outrider::page {
namespace {

const Time noon = *parse_rfc3339("2026-01-31T12:00:00Z");

ModelFigures healthy(const std::string& model, const std::string& cluster = "eu-1") {
  ModelFigures figures;
  figures.who = {cluster, "shop", model, model, "v1"};
  figures.owner = "homes";
  figures.accuracy = 0.95;
  figures.promised = 0.95;
  figures.labels = 1000;
  figures.traffic = 10;
  figures.failed = 0;
  figures.drift = 0.3;
  return figures;
}

incident::Incident incident_of(const std::string& model, const std::string& cluster,
                               const std::string& severity) {
  incident::Incident incident;
  incident.id = "i-" + model + cluster;
  incident.alert = "ModelAccuracyDropped";
  incident.model = incident.workload = model;
  incident.cluster = cluster;
  incident.name_space = "shop";
  incident.severity = severity;
  incident.opened_at = noon;
  return incident;
}

std::vector<std::string> names(const std::vector<ModelLine>& lines, const ModelsView& view) {
  std::vector<std::string> found;
  for (const ModelLine* line : shown_models(lines, view).lines) found.push_back(line->who.model);
  return found;
}

TEST_CASE("models of one name in two clusters are two lines, each with its own incidents") {
  const Fleet fleet{.models = {healthy("rent", "eu-1"), healthy("rent", "us-1")}};
  const auto lines = model_lines(fleet, {incident_of("rent", "us-1", "critical")}, {}, {}, {});
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].state() == State::fine);
  CHECK(lines[1].state() == State::critical);
  CHECK(lines[1].state_text() == "1 open incident: critical");
}

TEST_CASE("an incident that does not say which of two it is about is nobody's figures'") {
  const Fleet fleet{.models = {healthy("rent", "eu-1"), healthy("rent", "us-1")}};
  auto unclear = incident_of("rent", "", "warning");
  const auto lines = model_lines(fleet, {unclear}, {}, {}, {});
  REQUIRE(lines.size() == 3);
  CHECK(lines[0].open == 0);
  CHECK(lines[1].open == 0);
  CHECK(lines[2].open == 1);
  CHECK_FALSE(lines[2].figures);
  // Of the only one there is, it is.
  const auto one = model_lines({.models = {healthy("rent", "eu-1")}}, {unclear}, {}, {}, {});
  REQUIRE(one.size() == 1);
  CHECK(one[0].open == 1);
}

TEST_CASE("what is not known is called so, not fine") {
  ModelFigures figures = healthy("rent");
  const auto state_of = [&figures] {
    return model_lines({.models = {figures}}, {}, {}, {}, {}).front().state_text();
  };
  CHECK(state_of() == "no alarm");
  figures.accuracy = {};
  CHECK(state_of() == "no labels yet");
  figures.unanswered = static_cast<std::uint32_t>(Asked::accuracy);
  CHECK(state_of() == "not answered");
  figures.unanswered = 0;
  figures.traffic = 0;
  CHECK(state_of() == "no requests");
  figures.drift = 1.2;
  CHECK(state_of() == "inputs moved");
  figures.alarm = true;
  CHECK(state_of() == "accuracy alarm");
}

TEST_CASE("the worst stands first: critical, warning, alarm, drift, and then by how far it fell") {
  std::vector<ModelFigures> models;
  for (const char* name : {"a", "b", "c", "d", "e", "f"}) models.push_back(healthy(name));
  models[0].accuracy = 0.90;
  models[1].accuracy = 0.85;
  models[2].drift = 2;
  models[3].alarm = true;
  const auto lines = model_lines(
      {.models = models},
      {incident_of("e", "eu-1", "warning"), incident_of("f", "eu-1", "critical")}, {}, {}, {});
  CHECK(names(lines, {}) == std::vector<std::string>{"f", "e", "d", "c", "b", "a"});
  CHECK(names(lines, {.sort = "name"}) == std::vector<std::string>{"a", "b", "c", "d", "e", "f"});
  CHECK(names(lines, {.sort = "accuracy"}).front() == "b");
  CHECK(names(lines, {.sort = "drift"}).front() == "c");
}

TEST_CASE("what is asked for is shown: search, owner, place, state, page") {
  std::vector<ModelFigures> models;
  for (int i = 0; i < 120; ++i) models.push_back(healthy("m" + std::to_string(1000 + i)));
  models[7].owner = "fraud";
  models[8].who.name_space = "bank";
  models[9].alarm = true;
  const auto lines = model_lines({.models = models}, {}, {}, {}, {});
  CHECK(names(lines, {.search = " M1003 "}) == std::vector<std::string>{"m1003"});
  CHECK(names(lines, {.owner = "fraud"}) == std::vector<std::string>{"m1007"});
  CHECK(names(lines, {.name_space = "bank"}) == std::vector<std::string>{"m1008"});
  CHECK(names(lines, {.state = "trouble"}) == std::vector<std::string>{"m1009"});
  const ShownModels last = shown_models(lines, {.sort = "name", .page = 99});
  CHECK(last.pages == 3);
  CHECK(last.page == 3);
  CHECK(last.lines.size() == 20);
  CHECK(last.matching == 120);
}

TEST_CASE("a change of the workload is a change of its models, one of another place is not") {
  incident::Change change{"id", "deployment", "", "v2", "", noon, "eu-1", "shop", "rent"};
  incident::Change elsewhere = change;
  elsewhere.cluster = "us-1";
  elsewhere.at = noon + std::chrono::minutes(1);
  incident::Change nobodys{"id3", "config", "", "", "", noon + std::chrono::hours(1)};
  const auto lines = model_lines({.models = {healthy("rent"), healthy("fraud")}}, {}, {}, {},
                                 {elsewhere, change, nobodys});
  REQUIRE(lines[0].change);
  CHECK(lines[0].change->version == "v2");
  CHECK(lines[0].change->at == noon);
  CHECK_FALSE(lines[1].change);
}

}  // namespace
}  // namespace outrider::page
