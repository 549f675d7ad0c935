// SPDX-License-Identifier: Apache-2.0
#include "predictor/gates/gates.h"

#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::gates;

namespace {

// `wrong` of `rows` predictions are wrong, spread evenly.
evaluate::Outcomes outcomes(std::size_t rows, std::size_t wrong) {
  evaluate::Outcomes made;
  made.truth.assign(rows, 1);
  made.predicted.assign(rows, 1);
  for (std::size_t i = 0; i < rows; ++i)
    made.wrong.push_back(i * wrong / rows != (i + 1) * wrong / rows);
  return made;
}

const Verdict& verdict(const Judgement& judgement, std::string_view gate) {
  for (const Verdict& each : judgement.verdicts) {
    if (each.gate == gate) return each;
  }
  throw std::runtime_error("no such gate");
}

std::vector<std::size_t> range(std::size_t from, std::size_t to) {
  std::vector<std::size_t> rows;
  for (std::size_t i = from; i < to; ++i) rows.push_back(i);
  return rows;
}

}  // namespace

TEST_CASE("a first version has nothing to beat") {
  const auto candidate = outcomes(100, 90);
  const Judgement judgement = judge({.candidate = candidate}, {});
  CHECK(judgement.passed());
  CHECK_THAT(verdict(judgement, "better").message, Catch::Contains("no production version"));
}

TEST_CASE("a new version must be better by the margin, and a refusal says by how much") {
  const auto production = outcomes(1000, 280);
  const auto judged = [&](std::size_t wrong) {
    const auto candidate = outcomes(1000, wrong);
    return judge({.candidate = candidate, .production = &production, .production_version = "v1"},
                 {.margin = 0.01});
  };
  CHECK(judged(50).passed());
  CHECK(judged(270).passed());
  CHECK_FALSE(judged(275).passed());
  CHECK_FALSE(judged(280).passed());
  CHECK(judged(275).refusal() ==
        "gate 'better' refuses: accuracy 72.5% against 72.0% of v1 on 1000 held-out rows; at least "
        "73.0% and more than 72.0% is needed, short by 0.5 points");
}

TEST_CASE("near perfection half of the remaining error is enough, equality never") {
  const auto production = outcomes(1000, 4), better = outcomes(1000, 2);
  const Bounds bounds{.margin = 0.01};
  CHECK(judge({.candidate = better, .production = &production}, bounds).passed());
  CHECK_FALSE(judge({.candidate = production, .production = &production}, bounds).passed());
  const auto perfect = outcomes(1000, 0);
  CHECK_FALSE(judge({.candidate = perfect, .production = &perfect}, bounds).passed());
}

TEST_CASE("too few held-out rows prove nothing against production") {
  const auto production = outcomes(19, 19), candidate = outcomes(19, 0);
  const auto judgement = judge({.candidate = candidate, .production = &production}, {});
  CHECK_FALSE(judgement.passed());
  CHECK_THAT(judgement.refusal(), Catch::Contains("only 19 held-out rows"));
}

TEST_CASE("better overall but worse in a segment is refused with the segment's name") {
  auto production = outcomes(1000, 0), candidate = outcomes(1000, 0);
  for (std::size_t i = 0; i < 400; ++i) production.wrong[i] = 1;
  for (std::size_t i = 900; i < 1000; ++i) candidate.wrong[i] = i % 3 == 0;
  const evaluate::Segments segments{{"view=NONE", range(0, 900)}, {"view=GOOD", range(900, 1000)}};
  const Evidence evidence{.candidate = candidate,
                          .production = &production,
                          .production_version = "v1",
                          .segments = segments};
  const auto judgement = judge(evidence, {});
  CHECK(verdict(judgement, "better").passed);
  CHECK_FALSE(verdict(judgement, "segments").passed);
  CHECK_THAT(judgement.refusal(),
             Catch::Contains("view=GOOD: errors 34.0% against 0.0% of v1 on 100 rows, worse "
                             "by 34.0 points (bound 5.0 points)"));
}

TEST_CASE("a difference that chance explains does not refuse a small segment") {
  auto production = outcomes(1000, 400), candidate = outcomes(1000, 100);
  for (std::size_t i = 0; i < 30; ++i) production.wrong[i] = candidate.wrong[i] = 0;
  candidate.wrong[3] = candidate.wrong[9] = candidate.wrong[17] = 1;  // 10 points worse on 30 rows.
  const Evidence evidence{
      .candidate = candidate, .production = &production, .segments = {{"small", range(0, 30)}}};
  CHECK(judge(evidence, {}).passed());
}

TEST_CASE("groups outside the fairness bounds are refused with both figures") {
  auto candidate = outcomes(200, 0);
  candidate.classes = true;
  candidate.probability.assign(200, 0.5);
  for (std::size_t i = 0; i < 200; ++i) candidate.predicted[i] = i < 100 ? i % 10 < 6 : i % 10 < 4;
  const Evidence evidence{.candidate = candidate,
                          .groups = {{"M", range(0, 100)}, {"F", range(100, 200)}},
                          .privileged_group = "M"};
  CHECK_THAT(judge(evidence, {}).refusal(),
             Catch::Contains(
                 "F against M: favourable 40.0% and 60.0%, SPD -0.200 (bound ±0.10), DIR 0.67"));
  CHECK(judge(evidence, {.spd_bound = 0.25, .dir_low = 0.6}).passed());
  const Evidence nobody{
      .candidate = candidate, .groups = {{"F", range(0, 100)}}, .privileged_group = "M"};
  CHECK_THAT(judge(nobody, {}).refusal(),
             Catch::Contains("no held-out row is of the privileged group 'M'"));
}

TEST_CASE("a slow model is refused") {
  const auto candidate = outcomes(100, 0);
  const auto judgement = judge({.candidate = candidate, .latency_seconds = 0.002}, {});
  CHECK_THAT(judgement.refusal(),
             Catch::Contains("'latency'") && Catch::Contains("2000.0 µs (bound 1000.0 µs)"));
}
