// SPDX-License-Identifier: Apache-2.0
#include "agent/page/chart.h"

#include <cmath>

#include "base/core/text.h"
#include "test/support/catch.h"

namespace outrider::page {
namespace {

const Time noon = *parse_rfc3339("2026-01-31T12:00:00Z");
const double none = std::nan("");

Course course(std::vector<double> values) {
  return {noon, std::chrono::minutes(1), std::move(values)};
}

// The "d" of the line.
std::string line_of(const std::string& svg) {
  const std::string begin = "class=\"line\" d=\"";
  const std::size_t at = svg.find(begin) + begin.size();
  return svg.substr(at, svg.find('"', at) - at);
}

TEST_CASE("a sparkline says in words what it shows") {
  const std::string svg =
      sparkline(course({0.95, 0.96, 0.72}), {.what = "accuracy of rent", .unit = Unit::share});
  CHECK_THAT(svg, Catch::Contains("role=\"img\" aria-label=\"accuracy of rent over 2 min: 95 % at "
                                  "first, 72 % last, lowest 72 %, highest 96 %\""));
}

TEST_CASE("a line is broken where there is no value, and never drawn through") {
  const std::string path =
      line_of(sparkline(course({0, 1, none, 1, 0}), {.what = "x", .floor = 0, .ceiling = 1}));
  CHECK(path == "M0.0 100.0L250.0 0.0M750.0 0.0L1000.0 100.0");
  CHECK(line_of(sparkline(course({1, none, none}), {.what = "x", .floor = 0, .ceiling = 1})) ==
        "M0.0 0.0h2");
}

TEST_CASE("without values there is no picture, and the caption says so") {
  CHECK(sparkline(course({none, none}), {.what = "x"}).empty());
  const std::string html = chart({.title = "Accuracy", .course = course({none})});
  CHECK(html.find("<svg") == std::string::npos);
  CHECK_THAT(html, Catch::Contains("Last: no data."));
}

TEST_CASE("a flat line stands inside of its picture") {
  const std::string path = line_of(sparkline(course({5, 5, 5}), {.what = "x"}));
  CHECK_THAT(path, Catch::Contains("50.0"));
}

TEST_CASE("a chart tells before and since by their medians, shades what came since, and marks") {
  Chart one{.title = "Accuracy of rent",
            .unit = Unit::share,
            .course = course({0.95, 0.96, 0.94, 0.72, 0.70, 0.71, 0.71, 0.95, 0.96}),
            .since = noon + std::chrono::minutes(3),
            .until = noon + std::chrono::minutes(7),
            .reference = 0.95,
            .reference_name = "promised"};
  one.markers = {{noon + std::chrono::minutes(2), "C1", "deployment v2"},
                 {noon + std::chrono::minutes(4), "A1", "retrain", true},
                 {noon - std::chrono::hours(1), "C2", "too early to be seen"}};
  const std::string html = chart(one);
  CHECK_THAT(html, Catch::Contains("Before: 95 %. Since: 71 %. After: 96 %. Last: 96 %. Dashed: "
                                   "promised, 95 %."));
  CHECK_THAT(html, Catch::Contains("<rect class=\"since\" x=\"37.5%\" y=\"0\" width=\"50.0%\""));
  CHECK_THAT(html, Catch::Contains("<text class=\"change\" x=\"25.0%\" dx=\"3\" y=\"12\">C1<"));
  CHECK_THAT(html, Catch::Contains("<text class=\"action\" x=\"50.0%\" dx=\"3\" y=\"25\">A1<"));
  CHECK(html.find("C2") == std::string::npos);
}

TEST_CASE("what is forecast is drawn on from now as a band, and told in words") {
  Chart one{.title = "Requests to rent", .unit = Unit::rate, .course = course({10, 20, 10})};
  one.reference = 24;
  one.reference_name = "what 3 replicas bear";
  one.ahead = Band{noon + std::chrono::minutes(2),
                   std::chrono::minutes(1),
                   {10, 15, 12},
                   {10, 20, 14},
                   {10, 30, 16}};
  const std::string html = chart(one);
  const std::string words =
      "Ahead, over 2 min: most at 12:03 UTC, 20/s expected, above 30/s in 1 "
      "case of 20.";
  CHECK_THAT(html, Catch::Contains("Last: 10/s. " + words));
  CHECK_THAT(html, Catch::Contains("Dashed: what 3 replicas bear, 24/s."));
  CHECK_THAT(html, Catch::Contains("<line class=\"now\" x1=\"50.0%\" x2=\"50.0%\""));
  // Four minutes in all: what was measured takes the left half, the band the right one.
  CHECK(line_of(html).starts_with("M0.0 "));
  CHECK_THAT(line_of(html), Catch::Contains("L500.0 "));
  CHECK_THAT(html, Catch::Contains("<path class=\"band\" d=\"M500.0 "));
  CHECK_THAT(html, Catch::Contains("Z\"/><path class=\"line ahead\" d=\"M500.0 "));
  CHECK_THAT(html, Catch::Contains("L1000.0 "));
}

TEST_CASE("a band without a past is drawn over its own time") {
  Chart one{.title = "Requests", .unit = Unit::rate, .course = {}};
  one.ahead = Band{noon, std::chrono::minutes(1), {1, 1}, {2, 2}, {3, 3}};
  const std::string html = chart(one);
  CHECK_THAT(html, Catch::Contains("<path class=\"band\" d=\"M0.0 "));
  CHECK_THAT(html, Catch::Contains("Last: no data."));
}

TEST_CASE("a day of seconds is drawn with few points, and its peak is among them") {
  std::vector<double> values(86'400, 1);
  values[40'001] = 100;
  const std::string path = line_of(sparkline(course(values), {.what = "x", .floor = 0}));
  CHECK(path.size() < 20 * points_max);
  CHECK_THAT(path, Catch::Contains(" 7.4L"));  // 100, with 8 % of room above it.
}

}  // namespace
}  // namespace outrider::page
