// SPDX-License-Identifier: Apache-2.0
#include "agent/diagnose/weighing.h"

#include <cmath>
#include <numeric>

#include "test/support/catch.h"

using namespace outrider::diagnose;

namespace {
constexpr double begin = 10'000, step = 60, onset = 10'200;

std::vector<Suspect> suspects(std::vector<double> scores) {
  std::vector<Suspect> out;
  for (const double score : scores) out.push_back({score, 0, onset});
  return out;
}
}  // namespace

TEST_CASE(
    "a score that calm windows never reached is rarer the more of them there are, and the higher "
    "it is") {
  const std::vector<double> calm(99, 0.1);
  CHECK(p_of_score(1, calm) == Approx(std::exp(-1 / 0.3) / 100));
  CHECK(p_of_score(0.1, calm) > 0.99);
  CHECK(p_of_score(0, {}) == 1);
  CHECK(p_of_score(2, {}) < false_alarm);
}

TEST_CASE("what would decide is the least score that is named") {
  std::vector<double> calm(99, 0.1);
  calm.push_back(1.5);
  const double needed = score_needed(0.5, calm, 1);
  CHECK(needed == Approx(1.5).epsilon(1e-6));
  CHECK(p_of_score(needed, calm) <= false_alarm);
  CHECK(p_of_score(needed - 1e-6, calm) > false_alarm);
  CHECK(score_needed(0.5, calm, 0.01) < needed);
}

TEST_CASE("two p's join as Fisher joins them") {
  CHECK(joined_p(1, 1) == 1);
  CHECK(joined_p(0.1, 0.1) == Approx(0.01 * (1 - std::log(0.01))));
  CHECK(joined_p(0, 0.5) == 0);
}

TEST_CASE("probabilities add up to the probability that something is wrong") {
  const Weighed sure = weigh(suspects({1, 3, 0}), 0, {}, begin, step);
  CHECK(sure.order == std::vector<std::size_t>{1, 0, 2});
  CHECK(std::accumulate(sure.probability.begin(), sure.probability.end(), 0.0) == Approx(1));
  CHECK(sure.named);
  const Weighed unsure = weigh(suspects({1, 3, 0}), 0.05, {}, begin, step);
  CHECK(std::accumulate(unsure.probability.begin(), unsure.probability.end(), 0.0) ==
        Approx(1 / 11.0));
  CHECK_FALSE(unsure.named);
}

TEST_CASE(
    "a change in time doubles its component's odds, and a decoy at another component is not "
    "blamed") {
  const std::vector<Change> elsewhere{{0, onset - 60, "deployment", ""}};
  const Weighed found = weigh(suspects({1, 3, 0}), 0, elsewhere, begin, step);
  CHECK(found.order.front() == 1);
  CHECK_FALSE(found.change[1]);
  const double before = weigh(suspects({1, 3, 0}), 0, {}, begin, step).probability[0];
  CHECK(found.probability[0] == Approx(2 * before / (1 + before)));
  CHECK(weigh(suspects({2.9, 3, 0}), 0, elsewhere, begin, step).order.front() == 0);
}

TEST_CASE("a change six hours before, and one later than a row after the onset, are out of time") {
  const auto blamed = [](double time) {
    return weigh(suspects({3}), 0, {{0, time, "", ""}}, begin, step).change[0].has_value();
  };
  CHECK_FALSE(blamed(begin - 6 * 3600));
  CHECK(blamed(begin - 3600));
  CHECK(blamed(onset + step));
  CHECK_FALSE(blamed(onset + step + 1));
}

TEST_CASE("of two changes in time the latest is blamed") {
  const std::vector<Change> changes{{0, onset - 10, "b", ""}, {0, onset - 900, "a", ""}};
  CHECK(weigh(suspects({3}), 0, changes, begin, step).change[0] == 0);
}

TEST_CASE(
    "a change at the first of many components makes its verdict surer, changes at all of them do "
    "not") {
  const auto scores = suspects({3, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  CHECK_FALSE(weigh(scores, 0.02, {}, begin, step).named);
  std::vector<Change> changes{{0, onset, "", ""}};
  CHECK(weigh(scores, 0.02, changes, begin, step).named);
  for (std::size_t c = 1; c < 10; ++c) changes.push_back({c, onset, "", ""});
  CHECK_FALSE(weigh(scores, 0.02, changes, begin, step).named);
}
