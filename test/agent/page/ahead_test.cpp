// SPDX-License-Identifier: Apache-2.0
#include "agent/page/ahead.h"

#include "agent/page/model_page.h"
#include "base/core/text.h"
#include "test/support/catch.h"

namespace outrider::page {
namespace {

using wire::Json;

const Time noon = *parse_rfc3339("2026-01-31T12:00:00Z");

Json requests() {
  return {{"forecast", "requests"},
          {"labels", {{"namespace", "shop"}, {"model_name", "rent"}}},
          {"horizons",
           {{{"horizon_seconds", 3600},
             {"low", 8},
             {"expected", 10},
             {"high", 14},
             {"checked", 200},
             {"inside", 181}},
            {{"horizon_seconds", 21600}, {"low", 5}, {"expected", 12}, {"high", 20}}}},
          {"notes", {"two weeks: no weekly season"}},
          {"course",
           {{"from", "2026-01-31T12:15:00Z"},
            {"step_seconds", 900},
            {"expected", {10, 12, 11}},
            {"low", {8, 9, 8}},
            {"high", {14, 20, 15}},
            {"past_from", "2026-01-31T11:30:00Z"},
            {"past_step_seconds", 900},
            {"past", {9, nullptr, 10}}}}};
}

Json service() {
  return {{"capacity", "requests"},
          {"labels", {{"namespace", "shop"}, {"model_name", "rent"}}},
          {"says", "scale from 3 to 4 by 12:28 UTC"},
          {"replicas", 3},
          {"bears", 15.5},
          {"now", {{"wanted", 3}}},
          {"ahead", {{"wanted", 4}, {"by", "2026-01-31T12:28:00Z"}}},
          {"checks", {{"enough", 40}, {"short", 2}, {"spare", 1}}}};
}

std::string told(const std::vector<Json>& series, const std::vector<Json>& services = {}) {
  const Json all = {{"series", Json(series)}, {"capacity", Json(services)}};
  return ahead_section(read_ahead(all.dump()), "rent");
}

TEST_CASE("a model's requests are drawn with the band ahead, and how often intervals held") {
  const std::string html = told({requests()});
  CHECK_THAT(html, Catch::Contains("<b>Requests to rent</b>"));
  CHECK_THAT(html, Catch::Contains("<path class=\"band\""));
  CHECK_THAT(html,
             Catch::Contains("most at 12:30 UTC, 12/s expected, above 20/s in 1 case of 20."));
  CHECK_THAT(html, Catch::Contains("90.5 % of 200"));
  CHECK_THAT(html, Catch::Contains("not known yet, 0 intervals checked"));
  CHECK_THAT(html, Catch::Contains("two weeks: no weekly season"));
  CHECK(html.find("replicas bear") == std::string::npos);
}

TEST_CASE("what the replicas bear is a line, and when it is exceeded is said") {
  const std::string html = told({requests()}, {service()});
  CHECK_THAT(html, Catch::Contains("scale from 3 to 4 by 12:28 UTC"));
  CHECK_THAT(html, Catch::Contains("Dashed: what 3 replicas bear, 15.5/s."));
  CHECK_THAT(html,
             Catch::Contains("What there is suffices until 12:30 UTC in 19 of 20 cases; it is "
                             "not expected to be exceeded."));
  CHECK_THAT(html, Catch::Contains("enough 40 times, too few 2, two or more to spare 1."));
}

TEST_CASE("another service's capacity is no line in a model's chart") {
  Json other = service();
  other["labels"]["namespace"] = "elsewhere";
  CHECK(told({requests()}, {other}).find("replicas bear") == std::string::npos);
  other = service();
  other["bears"] = nullptr;
  CHECK(told({requests()}, {other}).find("replicas bear") == std::string::npos);
}

TEST_CASE("a limit is told with its interval, and one that is not reached is not near") {
  Json disk = {
      {"forecast", "disk"},
      {"labels", {{"instance", "node-1"}, {"job", "node"}, {"mountpoint", "/data"}}},
      {"limit", 100},
      {"to_limit_seconds", {{"earliest", 172800}, {"expected", 259200}, {"latest", nullptr}}}};
  const auto read = [](const Json& one) {
    return read_ahead(Json({{"series", {one}}}).dump()).series.front();
  };
  const Foretold near = read(disk);
  REQUIRE(near.to_limit);
  CHECK(near.to_limit->is_near());
  CHECK(series_name(near) == "disk of instance node-1, mountpoint /data");
  CHECK(to_limit_text(*near.to_limit) ==
        "expected in 3 days, at the earliest in 2 days, at the latest not within what is forecast");
  disk["to_limit_seconds"] = {{"earliest", nullptr}, {"expected", nullptr}, {"latest", nullptr}};
  CHECK_FALSE(read(disk).to_limit->is_near());
}

TEST_CASE("a series that cannot be forecast says why") {
  const Json young = {{"forecast", "requests"},
                      {"labels", {{"model_name", "rent"}}},
                      {"trouble", "ten values are the least"}};
  CHECK_THAT(told({young}), Catch::Contains("<b>Not forecast:</b> requests of model_name rent: ten "
                                            "values are the least"));
}

TEST_CASE("what is no forecast is nothing, and half a course is not drawn") {
  CHECK(read_ahead("").series.empty());
  CHECK(read_ahead("[]").series.empty());
  CHECK(read_ahead(R"({"series": 3, "capacity": [7]})").services.empty());
  Json half = requests();
  half["course"]["high"] = {1};
  CHECK(told({half}).find("class=\"band\"") == std::string::npos);
  half["course"] = {{"from", "soon"}, {"step_seconds", -1}};
  half["horizons"] = {{{"horizon_seconds", "x"}}, 3};
  half["to_limit_seconds"] = 3;
  half["limit"] = 3;
  CHECK_NOTHROW(told({half}));
}

TEST_CASE("a model's page says that nothing is forecast, and what would change that") {
  const ModelLine line{.who = {"eu-1", "shop", "rent", "rent", "v2"}};
  CHECK_THAT(model_main({.now = noon, .line = line}), Catch::Contains("--forecast.max-series"));
  const std::string html = model_main({.now = noon, .line = line, .is_forecasting = true});
  CHECK_THAT(html, Catch::Contains("No forecast is about this model"));
  CHECK_THAT(html, Catch::Contains("<h1>rent v2</h1>"));
  CHECK_THAT(html, Catch::Contains("shop/rent in eu-1"));
}

TEST_CASE("a model has one address, whatever its version") {
  CHECK(model_address({"eu-1", "shop", "rent-svc", "rent", "v2"}) ==
        "/model?cluster=eu-1&namespace=shop&workload=rent-svc&model=rent");
  CHECK(model_address({"", "", "", "a b", ""}) == "/model?model=a%20b");
}

}  // namespace
}  // namespace outrider::page
