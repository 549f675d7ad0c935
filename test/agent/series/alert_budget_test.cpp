// SPDX-License-Identifier: Apache-2.0
#include "agent/series/alert_budget.h"

#include <random>

#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::series;
using namespace std::chrono_literals;

namespace {

const Time monday = from_unix_ms(1'700'000'000'000);
constexpr Duration week = 24h * 7;

// A fleet whose series score like this: `rate` first scores of at least one step a series a week,
// each further step halving them. Returns how many alerts were raised in each week.
std::vector<int> live(AlertBudget& budget, std::size_t fleet, double rate, int weeks) {
  std::mt19937 random(5);
  budget.set_series(fleet);
  std::vector<int> raised(static_cast<std::size_t>(weeks));
  const auto events = static_cast<int>(rate * static_cast<double>(fleet));
  std::geometric_distribution<int> more(0.5);
  for (int i = 0; i < events * weeks; ++i) {
    const Time now = monday + week / events * i;
    const double score = std::min(16, 1 + more(random)) / 16.0;
    budget.observe(score, now);
    if (score >= budget.threshold(now) && budget.spend(now)) {
      ++raised[static_cast<std::size_t>(i / events)];
    }
  }
  return raised;
}

}  // namespace

TEST_CASE("the more series, the higher the threshold, the larger the budget, the lower") {
  const auto threshold = [](double a_week, std::size_t series) {
    AlertBudget budget(a_week);
    budget.set_series(series);
    return budget.threshold(monday);
  };
  CHECK(threshold(20, 1) == default_threshold);  // A limit, not a wish.
  CHECK(threshold(20, 10) < threshold(20, 100));
  CHECK(threshold(20, 100) < threshold(20, 1000));
  CHECK(threshold(200, 1000) < threshold(20, 1000));
  CHECK(threshold(20, 10'000'000) < 1);  // The highest step may always fire.
}

TEST_CASE("an ordinary fleet gets the threshold that was best on NAB") {
  AlertBudget budget(20);
  budget.set_series(31);
  CHECK(budget.threshold(monday) == default_threshold);
}

TEST_CASE("the budget is kept each week, by fleets that fire more and less than was expected") {
  for (const double rate : {2.0, 20.0, 200.0}) {
    AlertBudget budget(20);
    for (const int raised : live(budget, 100, rate, 8)) CHECK(raised <= 40);
    AlertBudget later(20);
    const auto raised = live(later, 100, rate, 8);
    // In any later week no more than the allowance's refill and what was left of it.
    int total = 0;
    for (const int one : raised) total += one;
    CHECK(total <= 20 * 9);
  }
}

TEST_CASE("what the fleet is seen to do moves the threshold to where the budget is used") {
  AlertBudget budget(20);
  const auto raised = live(budget, 100, 80.0, 10);
  int last_five = 0;
  for (std::size_t i = 5; i < 10; ++i) last_five += raised[i];
  CHECK(last_five >= 5 * 20 / 3);  // Steps halve the rate: up to half of the budget stays unused.
  CHECK(last_five <= 5 * 20 + 20);
}

TEST_CASE("a storm spends the allowance and no more, a week refills it") {
  AlertBudget budget(10);
  int raised = 0;
  for (int i = 0; i < 1000; ++i) raised += budget.spend(monday + i * 1s) ? 1 : 0;
  CHECK(raised == 10);
  CHECK_FALSE(budget.spend(monday + 1h));
  CHECK(budget.spend(monday + 24h));
  CHECK(budget.allowance(monday + 3 * week) == Approx(10));
}

TEST_CASE("a budget below one a week saves up") {
  AlertBudget budget(0.25);
  CHECK(budget.spend(monday));
  CHECK_FALSE(budget.spend(monday + 3 * week));
  CHECK(budget.spend(monday + 4 * week + 1h));
}

TEST_CASE("what is held back meanwhile does not make a small budget a larger one") {
  AlertBudget budget(0.25);
  int raised = 0;
  for (int hour = 0; hour < 12 * 7 * 24; ++hour) raised += budget.spend(monday + hour * 1h) ? 1 : 0;
  CHECK(raised == 3);
}

TEST_CASE("a budget of 0 raises nothing") {
  AlertBudget budget(0);
  CHECK_FALSE(budget.spend(monday));
  CHECK_FALSE(budget.spend(monday + 52 * week));
}

TEST_CASE("a clock that goes back neither refills nor forgets") {
  AlertBudget budget(2);
  CHECK(budget.spend(monday));
  CHECK(budget.spend(monday));
  CHECK_FALSE(budget.spend(monday - 10 * week));
  CHECK_FALSE(budget.spend(monday));
}

TEST_CASE("the suppressed part of an episode is not counted as another") {
  AlertBudget budget(5);
  budget.set_series(1);
  const double lowest = budget.expected_a_week(0.03, monday);
  const double before = budget.expected_a_week(0.5, monday);
  for (int i = 0; i < 1000; ++i) budget.observe(0.05, monday);
  CHECK(budget.expected_a_week(0.03, monday) == lowest);
  CHECK(budget.expected_a_week(0.5, monday) == before);
}

TEST_CASE("a restored budget goes on, one that makes no sense is refused") {
  AlertBudget budget(10);
  live(budget, 50, 20, 3);
  detectors::SnapshotWriter out("BUDG", 1);
  budget.save(out);
  const std::string bytes = out.finish();
  auto in = detectors::SnapshotReader::open(bytes, "BUDG", 1);
  REQUIRE(in);
  AlertBudget other(10);
  other.set_series(50);
  REQUIRE(other.load(*in));
  REQUIRE(in->finish());
  const Time later = monday + 4 * week;
  CHECK(other.threshold(later) == budget.threshold(later));
  CHECK(other.allowance(later) == Approx(budget.allowance(later)));

  detectors::SnapshotWriter bad("BUDG", 1);
  for (int i = 0; i < 21; ++i) bad.f64(-5);
  const std::string nonsense = bad.finish();
  auto reader = detectors::SnapshotReader::open(nonsense, "BUDG", 1);
  REQUIRE(reader);
  CHECK_FALSE(other.load(*reader));
}
