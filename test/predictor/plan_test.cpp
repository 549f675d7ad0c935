// SPDX-License-Identifier: Apache-2.0
#include "predictor/retrain/plan.h"

#include "base/core/text.h"
#include "test/predictor/models.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::retrain;

namespace {

Time minute(int i) {
  return Time{std::chrono::seconds(1'700'000'000) + std::chrono::minutes(i)};
}

// Live rows as the sidecar gives them, one a minute; size is the minute.
train::Dataset live_rows(int from, int to) {
  std::string csv = "id,timestamp,size,view,prediction,label,model_version\n";
  for (int i = from; i < to; ++i) {
    csv += "id" + std::to_string(i) + "," + format_rfc3339(minute(i)) + "," + std::to_string(i) +
           ",GOOD,1," + std::to_string(2 * i) + ",v1\n";
  }
  return test::dataset(csv);
}

train::Dataset original_rows(int count) {
  std::string csv = "size,view,price,sold\n";
  for (int i = 0; i < count; ++i)
    csv += std::to_string(i) + ",BAD," + std::to_string(i) + ",1/2/2015\n";
  return test::dataset(csv);
}

train::Settings settings() {
  train::Settings s;
  s.model_name = "houses";
  s.target = "price";
  return s;
}

const model::Model production = test::price_model();

}  // namespace

TEST_CASE(
    "with enough rows since the change, it learns from them alone and is judged on the newest") {
  const auto original = original_rows(50);
  const auto live = live_rows(0, 500);
  const auto s = settings();
  const Plan plan = make_plan({production, s, &original, {&live}, minute(250)}, {}).value();
  CHECK_FALSE(plan.recalibrate);
  CHECK(plan.strategy == "200 rows since the change at " + format_rfc3339(minute(250)));
  REQUIRE(plan.split.training.size() == 200);
  REQUIRE(plan.split.held_out.size() == 50);
  const auto size = [&](std::size_t row) { return plan.dataset.table.rows[row].fields[0]; };
  CHECK(size(plan.split.training.front()) == "250");
  CHECK(size(plan.split.held_out.front()) == "450");
  CHECK(plan.settings.features == std::vector<std::string>{"size", "view"});
  CHECK(plan.settings.categorical == std::vector<std::string>{"view"});
}

TEST_CASE("with few rows since the change, the parent is recalibrated") {
  const auto original = original_rows(50);
  const auto live = live_rows(0, 500);
  const auto s = settings();
  const Plan plan = make_plan({production, s, &original, {&live}, minute(440)}, {}).value();
  CHECK(plan.recalibrate);
  CHECK(plan.split.training.size() == 40);
  CHECK(plan.split.held_out.size() == 20);
}

TEST_CASE("with too few since the change, or none named, original and live rows pool") {
  const auto original = original_rows(300);
  const auto live = live_rows(0, 30);
  const auto s = settings();
  for (const std::optional<Time> since : {std::optional(minute(0)), std::optional<Time>()}) {
    const Plan plan = make_plan({production, s, &original, {&live}, since}, {}).value();
    CHECK_THAT(plan.strategy, Catch::StartsWith("pooled"));
    CHECK(plan.split.training.size() == 310);
    CHECK(plan.split.held_out.size() == 20);  // The newest, all of them live.
    CHECK(plan.dataset.table.rows[plan.split.held_out.front()].fields[0] == "10");
  }
}

TEST_CASE("rows that two sources both hold count once, rows without truth not at all") {
  auto first = live_rows(0, 200), second = live_rows(100, 300);
  first.table.rows[5].fields[5] = "";
  const auto s = settings();
  const Plan plan = make_plan({production, s, nullptr, {&first, &second}, {}}, {}).value();
  CHECK(plan.dataset.table.rows.size() == 299);
  CHECK_THAT(plan.split.notes.at(0), Catch::Contains("1 rows"));
}

TEST_CASE("too few rows in all, or a source without a feature, are told so") {
  const auto s = settings();
  const auto few = live_rows(0, 30);
  CHECK_THAT(make_plan({production, s, nullptr, {&few}, minute(0)}, {}).error().message,
             Catch::Contains("30 usable rows, 30 of them live; at least 40"));
  CHECK(make_plan({production, s, nullptr, {}, {}}, {}).error().code == "too_few_rows");
  const auto odd = test::dataset("timestamp,size,label\n2026-01-01T00:00:00Z,1,2\n");
  CHECK_THAT(make_plan({production, s, nullptr, {&odd}, {}}, {}).error().message,
             Catch::Contains("no column 'view'"));
  const auto timeless = test::dataset("size,view,label\n1,GOOD,2\n");
  CHECK_THAT(make_plan({production, s, nullptr, {&timeless}, {}}, {}).error().message,
             Catch::Contains("no column 'timestamp'"));
}
