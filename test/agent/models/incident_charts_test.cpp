// SPDX-License-Identifier: Apache-2.0
#include "agent/models/incident_charts.h"

#include "base/core/text.h"
#include "test/support/catch.h"

namespace outrider::models {
namespace {

const Time noon = *parse_rfc3339("2026-01-31T12:00:00Z");
constexpr Duration step = std::chrono::seconds(30);

incident::Incident fallen() {
  incident::Incident incident;
  incident.model = "rent";
  incident.workload = "rent";
  incident.name_space = "shop";
  incident.opened_at = incident.episode_at = noon;
  incident.since = noon - std::chrono::minutes(2);
  return incident;
}

TEST_CASE("a young incident is shown with as much before it as can be told apart") {
  const Window young = chart_window(fallen(), noon, step);
  CHECK(young.to == noon);
  CHECK(young.from == noon - std::chrono::minutes(8));
  CHECK(young.step == step);
  const Window old = chart_window(fallen(), noon + std::chrono::hours(10), step);
  CHECK(old.from < noon - std::chrono::minutes(62));
  CHECK(old.from > noon - std::chrono::minutes(70));
  CHECK((old.to - old.from) / old.step <= 121);
}

TEST_CASE("an incident that has ended is shown up to half an hour past its end") {
  auto incident = fallen();
  incident.open = false;
  incident.resolved_at = noon + std::chrono::minutes(20);
  const Window window = chart_window(incident, noon + std::chrono::hours(30), step);
  CHECK(window.to <= noon + std::chrono::minutes(50));
  CHECK(window.to > noon + std::chrono::minutes(48));
}

TEST_CASE("what is asked is about the incident's model, with the change in its charts") {
  auto incident = fallen();
  incident.model = "re\"nt";
  const auto questions =
      chart_questions(incident, chart_window(incident, noon, step), std::chrono::minutes(2));
  REQUIRE(questions.size() == 5);
  for (const ChartQuestion& question : questions) {
    CHECK_THAT(question.promql, Catch::Contains(R"(model_name="re\"nt")"));
    CHECK(question.chart.since == incident.since);
  }
  CHECK_THAT(questions.front().promql, Catch::Contains("[2m]"));
  incident.model.clear();
  CHECK(chart_questions(incident, chart_window(incident, noon, step), step).empty());
}

TEST_CASE("of several workloads' series only the incident's is shown") {
  const auto incident = fallen();
  const std::vector<Series> answer = {{{{"job", "rent"}, {"namespace", "bank"}}, {}},
                                      {{{"job", "rent"}, {"namespace", "shop"}}, {}}};
  CHECK(series_of(answer, incident) == &answer[1]);
  CHECK(series_of({}, incident) == nullptr);
  const std::vector<Series> both = {{{{"job", "rent"}, {"cluster", "a"}}, {}},
                                    {{{"job", "rent"}, {"cluster", "b"}}, {}}};
  CHECK(series_of(both, incident) == nullptr);
}

}  // namespace
}  // namespace outrider::models
