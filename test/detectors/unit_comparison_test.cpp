// SPDX-License-Identifier: Apache-2.0
#include "detectors/unit_comparison.h"

#include <cmath>
#include <random>

#include "test/support/catch.h"

using namespace outrider::detectors;

namespace {

// One value a unit.
UnitSamples units(const std::vector<double>& values) {
  UnitSamples samples;
  for (std::size_t i = 0; i < values.size(); ++i)
    samples.add("pod-" + std::to_string(i), values[i]);
  return samples;
}

std::vector<double> noisy(std::size_t count, double mean, double deviation,
                          std::mt19937_64& random) {
  std::normal_distribution<double> normal(mean, deviation);
  std::vector<double> values(count);
  for (double& value : values) value = normal(random);
  return values;
}

ChangeVerdict verdict(const std::vector<double>& before, const std::vector<double>& after) {
  return compare_units(units(before), units(after)).verdict;
}

}  // namespace

TEST_CASE("p is the share of splits that differ as much as the real one") {
  CHECK(permutation_p({1, 2, 3}, {4, 5, 6}) == Approx(0.1));
  CHECK(permutation_p({1, 2, 3, 4}, {5, 6, 7, 8}) == Approx(2.0 / 70));
  CHECK(permutation_p({1, 1, 1}, {1, 1, 1}) == Approx(1));
  CHECK(permutation_p({0.1, 0.2, 0.3}, {0.3, 0.2, 0.1}) == Approx(1));
  CHECK(permutation_p({}, {1}) == Approx(1));
}

TEST_CASE("of many units splits are drawn, and the drawn p is close to the exact one") {
  std::mt19937_64 random(1);
  const auto before = noisy(30, 100, 10, random), after = noisy(30, 106, 10, random);
  const double p = permutation_p(before, after);
  CHECK(p > 1e-5);
  CHECK(p < 0.1);
  CHECK(permutation_p(before, after) == p);  // A fixed seed.
}

TEST_CASE(
    "pods that are slower since the change are worse, quicker ones better, by the direction") {
  const std::vector<double> before = {200, 201, 199, 202, 198, 200},
                            after = {240, 242, 239, 241, 238, 243};
  CHECK(verdict(before, after) == ChangeVerdict::worse);
  CHECK(verdict(after, before) == ChangeVerdict::better);
  CHECK(compare_units(units(before), units(after), {}, {}, {.higher_is_worse = false}).verdict ==
        ChangeVerdict::better);
  const UnitComparison result = compare_units(units(before), units(after));
  CHECK(result.p == Approx(2.0 / 924));
  CHECK(result.difference == Approx(40.5));
  CHECK(result.low > 35);
  CHECK(result.high < 46);
  CHECK(result.reason == "200 before, 240.5 after, p = 0.002165");
}

TEST_CASE("a canary of seven 100s and three 1s is worse than ten 1s") {  // spinnaker/spinnaker#6278
  CHECK(verdict({1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {100, 100, 100, 100, 100, 100, 100, 1, 1, 1}) ==
        ChangeVerdict::worse);
}

TEST_CASE("errors against none are never called the same") {  // spinnaker/kayenta#426
  const UnitComparison result = compare_units(units({0, 0, 0, 0, 0, 0}), units({0, 1, 2, 1, 0, 0}));
  CHECK(result.verdict == ChangeVerdict::insufficient_evidence);
  CHECK(result.p == Approx(168.0 / 924));
}

TEST_CASE("measurements that are all missing are no success") {  // argoproj/argo-rollouts#4479
  UnitSamples missing;
  for (int i = 0; i < 40; ++i) missing.add("pod-" + std::to_string(i % 8), std::nan(""));
  const UnitComparison result = compare_units(units({5, 5, 5, 5, 5, 5}), missing);
  CHECK(result.verdict == ChangeVerdict::insufficient_evidence);
  CHECK(result.reason == "all 40 values after are missing");
  CHECK(!result.has_difference);
  CHECK(compare_units({}, {}).reason == "there are no values before");
}

TEST_CASE("fewer than twenty requests decide nothing") {  // fluxcd/flagger#1035
  UnitSamples before, after;
  for (int i = 0; i < 300; ++i) before.add("pod-" + std::to_string(i % 6), 0);
  for (int i = 0; i < 19; ++i) after.add("pod-" + std::to_string(i % 6), i == 0);
  const UnitComparison result = compare_units(before, after);
  CHECK(result.verdict == ChangeVerdict::insufficient_evidence);
  CHECK(result.reason == "only 19 requests after: at least 20 a side are needed");
}

TEST_CASE(
    "fewer than three units a side decide nothing, three and four cannot, and what it takes is "
    "said") {
  const UnitComparison two = compare_units(units({1, 1}), units({9, 9}));
  CHECK(two.verdict == ChangeVerdict::insufficient_evidence);
  CHECK_THAT(two.reason, Catch::Contains("only 2 units before: at least 3 a side are needed"));
  const UnitComparison four = compare_units(units({10, 10.1, 10.2, 9.9}), units({90, 91, 92, 93}));
  CHECK(four.verdict == ChangeVerdict::insufficient_evidence);
  CHECK_THAT(four.reason, Catch::Contains("with 4 and 4 units p is at least 0.02857") &&
                              Catch::Contains("take 5 a side"));
}

TEST_CASE(
    "pods that are nearly equal are no difference, so are many that agree within the margin") {
  CHECK(verdict({5, 5, 5}, {5, 5, 5}) == ChangeVerdict::no_difference);
  UnitSamples no_failures;
  for (int i = 0; i < 60; ++i) no_failures.add("pod-" + std::to_string(i % 3), 0);
  CHECK(compare_units(no_failures, no_failures).verdict == ChangeVerdict::no_difference);
  CHECK(verdict({100, 100.01, 99.99}, {100.02, 100, 99.98}) == ChangeVerdict::no_difference);
  std::mt19937_64 random(3);
  CHECK(verdict(noisy(40, 100, 2, random), noisy(40, 100, 2, random)) ==
        ChangeVerdict::no_difference);
}

TEST_CASE(
    "a difference that may be chance is told with its interval and the units that would decide") {
  std::mt19937_64 random(5);
  const UnitComparison result =
      compare_units(units(noisy(6, 100, 20, random)), units(noisy(6, 102, 20, random)));
  CHECK(result.verdict == ChangeVerdict::insufficient_evidence);
  CHECK_THAT(result.reason, Catch::Contains("the difference is between -") &&
                                Catch::Contains("units a side would tell a difference of"));
  UnitSamples rare, also_rare;  // Six pods of 200 requests, few of which fail.
  const int failed[] = {0, 3, 1, 2, 3, 0}, failed_after[] = {4, 1, 2, 3, 0, 5};
  for (int pod = 0; pod < 6; ++pod) {
    for (int i = 0; i < 200; ++i) {
      rare.add("pod-" + std::to_string(pod), i < failed[pod] ? 1 : 0);
      also_rare.add("pod-" + std::to_string(pod), i < failed_after[pod] ? 1 : 0);
    }
  }
  CHECK_THAT(compare_units(rare, also_rare).reason,
             Catch::Matches(".*; some [0-9]{5} units a side would tell a difference of .*"));
}

TEST_CASE("values of one pod count as one: a slow pod of many requests is one slow pod") {
  UnitSamples before, after;
  std::mt19937_64 random(6);
  for (int i = 0; i < 6; ++i) before.add("pod-" + std::to_string(i), 100 + i);
  for (int i = 0; i < 6; ++i) after.add("pod-" + std::to_string(i), 100 + i);
  for (int i = 0; i < 10'000; ++i) after.add("pod-0", 300);
  CHECK(compare_units(before, after).verdict == ChangeVerdict::insufficient_evidence);
}

TEST_CASE("what changed for the control too is not the change's") {
  const std::vector<double> before = {200, 201, 199, 202, 198, 200},
                            after = {240, 242, 239, 241, 238, 243};
  const std::vector<double> control = {300, 301, 299, 302, 298, 300},
                            control_after = {340, 342, 339, 341, 338, 343};
  const UnitComparison both =
      compare_units(units(before), units(after), units(control), units(control_after));
  CHECK(both.verdict == ChangeVerdict::no_difference);
  CHECK(both.difference == Approx(0).margin(1e-9));
  CHECK(compare_units(units(before), units(after), units(control), units(control)).verdict ==
        ChangeVerdict::worse);
  CHECK_THAT(compare_units(units(before), units(after), units(control), {}).reason,
             Catch::Contains("no values of the control after"));
}

TEST_CASE("without a change hardly any comparison names one, and an added fifth is found") {
  std::mt19937_64 random(7);
  int named = 0, found = 0;
  constexpr int runs = 300;
  for (int run = 0; run < runs; ++run) {
    const auto before = noisy(8, 100, 8, random);
    const ChangeVerdict nothing = verdict(before, noisy(8, 100, 8, random));
    named += nothing == ChangeVerdict::worse || nothing == ChangeVerdict::better;
    found += verdict(before, noisy(8, 120, 8, random)) == ChangeVerdict::worse;
  }
  CHECK(named <= runs / 30);
  CHECK(found >= runs * 9 / 10);
}
