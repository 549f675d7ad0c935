// SPDX-License-Identifier: Apache-2.0
#include "agent/models/fleet_answers.h"

#include <cmath>

#include "base/core/text.h"
#include "test/support/catch.h"

namespace outrider::models {
namespace {

using query::InstantValue;

const Time noon = *parse_rfc3339("2026-01-31T12:00:00Z");

Labels rent(const std::string& version = "", const std::string& cluster = "eu-1") {
  return {{"cluster", cluster},
          {"namespace", "shop"},
          {"job", "rent"},
          {"model_name", "rent"},
          {"model_version", version}};
}

TEST_CASE("a model's answers become one line: the version that predicts most makes the promise") {
  FleetAnswers answers;
  answers.put(Asked::traffic, {{rent(), 10}});
  answers.put(Asked::failures, {{rent(), 0.5}});
  answers.put(Asked::versions, {{rent("v1"), 20}, {rent("v2"), 900}});
  answers.put(Asked::promised, {{rent("v1"), 0.99}, {rent("v2"), 0.95}});
  answers.put(Asked::provisional, {{rent("v1"), 1}, {rent("v2"), 0}});
  answers.put(Asked::accuracy, {{rent(), 0.94}});
  answers.put(Asked::labels, {{rent(), 1203.7}});
  Labels drift = rent();
  drift.set("subject", "size");
  answers.put(Asked::drift, {{drift, 0.4}});
  Labels owned = rent();
  owned.set("owner", "homes");
  answers.put(Asked::owner, {{owned, 1}});
  const page::Fleet fleet = answers.take();
  REQUIRE(fleet.models.size() == 1);
  const page::ModelFigures& figures = fleet.models.front();
  CHECK(figures.who == incident::Identity{"eu-1", "shop", "rent", "rent", "v2"});
  CHECK(figures.promised == 0.95);
  CHECK_FALSE(figures.provisional);
  CHECK(figures.accuracy == 0.94);
  CHECK(figures.labels == 1204);
  CHECK(figures.failed == Approx(0.05));
  CHECK(figures.drift_subject == "size");
  CHECK(figures.owner == "homes");
}

TEST_CASE("while an alarm stands the accuracy is that of the labels since the change") {
  FleetAnswers answers;
  answers.put(Asked::accuracy, {{rent(), 0.94}});
  answers.put(Asked::since_change, {{rent(), 0.72}});
  answers.put(Asked::accuracy, {{rent(), 0.94}});
  const auto fleet = answers.take();
  CHECK(fleet.models.front().accuracy == 0.72);
  CHECK(fleet.models.front().since_change);
}

TEST_CASE("without requests there is no share of failures, and what is no number is nothing") {
  FleetAnswers answers;
  answers.put(Asked::traffic, {{rent(), 0}});
  answers.put(Asked::accuracy, {{rent(), std::nan("")}});
  const auto figures = answers.take().models.front();
  CHECK(figures.traffic == 0);
  CHECK_FALSE(figures.failed);
  CHECK_FALSE(figures.accuracy);
}

TEST_CASE("requests without failures have none, although a counter of failures is not there yet") {
  FleetAnswers answers;
  answers.put(Asked::traffic, {{rent(), 4}});
  CHECK(answers.take().models.front().failed == 0);
}

TEST_CASE("a promise of a version that does not answer is nobody's") {
  FleetAnswers answers;
  answers.put(Asked::versions, {{rent("v3"), 5}});
  answers.put(Asked::promised, {{rent("v1"), 0.99}});
  CHECK_FALSE(answers.take().models.front().promised);
}

TEST_CASE("past the bound further models are counted, once each") {
  FleetAnswers answers;
  for (int twice = 0; twice < 2; ++twice) {
    for (std::size_t i = 0; i < models_max + 3; ++i)
      answers.put(Asked::traffic, {{rent("", "c" + std::to_string(i)), 1}});
  }
  const auto fleet = answers.take();
  CHECK(fleet.models.size() == models_max);
  CHECK(fleet.left_out == 3);
}

TEST_CASE("what was not answered is marked in every line") {
  FleetAnswers answers;
  answers.put(Asked::traffic, {{rent(), 1}});
  answers.unanswered(Asked::drift);
  const auto figures = answers.take().models.front();
  CHECK(figures.lacks(Asked::drift));
  CHECK_FALSE(figures.lacks(Asked::traffic));
}

TEST_CASE("replicas wanted are those of the model's workload") {
  FleetAnswers answers;
  answers.put(Asked::traffic, {{rent(), 1}, {rent("", "us-1"), 1}});
  answers.put_forecasts(R"({"capacity": [{"labels": {"cluster": "eu-1", "namespace": "shop",
      "job": "rent"}, "replicas": 3, "says": "scale 3 -> 8", "now": {"wanted": 3},
      "ahead": {"wanted": 8, "by": "2026-01-31T14:05:00Z"}}, {"labels": {}, "replicas": 9}, 7]})");
  answers.put_forecasts("no json");
  const auto fleet = answers.take();
  CHECK(fleet.models[0].replicas == 3);
  CHECK(fleet.models[0].wanted_ahead == 8);
  CHECK(fleet.models[0].wanted_by == *parse_rfc3339("2026-01-31T14:05:00Z"));
  CHECK(fleet.models[0].advice == "scale 3 -> 8");
  CHECK_FALSE(fleet.models[1].replicas);
}

TEST_CASE("limits that are reached within what is forecast are told, the soonest first") {
  FleetAnswers answers;
  answers.put_forecasts(R"({"series": [
      {"forecast": "disk", "labels": {"instance": "a"}, "limit": 9,
       "to_limit_seconds": {"earliest": 50, "expected": null, "latest": null}},
      {"forecast": "disk", "labels": {"instance": "b"}, "limit": 9,
       "to_limit_seconds": {"earliest": 60, "expected": 70, "latest": null}},
      {"forecast": "disk", "labels": {"instance": "c"}, "limit": 9,
       "to_limit_seconds": {"earliest": null, "expected": null, "latest": null}},
      {"forecast": "requests", "labels": {"model_name": "rent"}}]})");
  const auto fleet = answers.take();
  REQUIRE(fleet.limits.size() == 2);
  CHECK(fleet.limits[0].labels.get("instance") == "b");
  CHECK(fleet.limits[1].labels.get("instance") == "a");
}

TEST_CASE("a forecast is about a model that it names, or about the workload that serves it") {
  const incident::Identity rent{"eu-1", "shop", "rent-svc", "rent", "v2"};
  CHECK(is_about({{"namespace", "shop"}, {"model_name", "rent"}}, rent));
  CHECK(is_about({{"namespace", "shop"}, {"job", "rent-svc"}}, rent));
  CHECK_FALSE(is_about({{"namespace", "shop"}, {"job", "node"}}, rent));
  CHECK_FALSE(is_about({{"namespace", "shop"}, {"container", "model"}}, rent));
  CHECK_FALSE(is_about({{"cluster", "us-1"}, {"model_name", "rent"}}, rent));
  CHECK_FALSE(is_about({{"model_name", "buy"}}, rent));
}

TEST_CASE("samples lie on the window's grid, and gaps stay gaps") {
  const Window window{noon, noon + std::chrono::minutes(9), std::chrono::minutes(3)};
  const auto at = [](int minutes) { return to_unix_ms(noon + std::chrono::minutes(minutes)); };
  const page::Course course =
      course_of({{at(-3), 9}, {at(0), 1}, {at(6), 2}, {at(9), INFINITY}, {at(12), 9}}, window);
  REQUIRE(course.values.size() == 4);
  CHECK(course.values[0] == 1);
  CHECK(std::isnan(course.values[1]));
  CHECK(course.values[2] == 2);
  CHECK(std::isnan(course.values[3]));
}

TEST_CASE("pictures begin at whole steps, so that they do not tremble") {
  const Window window = course_window(noon + std::chrono::seconds(179));
  CHECK(window.to == noon);
  CHECK(course_window(noon + std::chrono::seconds(180)).to == noon + std::chrono::minutes(3));
  CHECK(window.to - window.from == std::chrono::hours(3));
}

TEST_CASE("a course goes to its model alone") {
  Courses courses;
  const Window window = course_window(noon);
  put_courses(courses, Asked::traffic, {{rent("", "us-1"), {{to_unix_ms(noon), 5}}}}, window);
  page::Fleet fleet;
  fleet.models.resize(2);
  fleet.models[0].who = {"eu-1", "shop", "rent", "rent", "v1"};
  fleet.models[1].who = {"us-1", "shop", "rent", "rent", "v1"};
  add_courses(fleet, courses);
  CHECK(fleet.models[0].traffic_course.values.empty());
  CHECK(fleet.models[1].traffic_course.last() == 5);
}

}  // namespace
}  // namespace outrider::models
