// SPDX-License-Identifier: Apache-2.0
#include "detectors/cbpe.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "test/support/catch.h"

using namespace outrider::detectors;

namespace {

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

struct Sample {
  std::vector<double> scores;
  std::vector<bool> positive;
  double accuracy = 0;  // of "positive where the score is above one half"
};

// Scores are over-confident (the truth follows a flatter curve), as those of real models; `shift`
// moves the inputs, `flip` reverses that share of the truths: a concept shift.
Sample draw(std::size_t count, double shift, double flip, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform;
  Sample sample;
  std::size_t right = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const double x = 1.5 * normal(random) + shift;
    const double score = sigmoid(2 * x);
    bool positive = uniform(random) < sigmoid(1.2 * x);
    if (uniform(random) < flip) positive = !positive;
    sample.scores.push_back(score);
    sample.positive.push_back(positive);
    right += (score > 0.5) == positive ? 1 : 0;
  }
  sample.accuracy = static_cast<double>(right) / static_cast<double>(count);
  return sample;
}

double estimate(const Calibration& calibration, const Sample& live) {
  std::vector<std::uint64_t> counts(calibration.bins().value_bins());
  for (const double score : live.scores) ++counts[calibration.bins().slot_of(score)];
  return calibration.estimate(counts).value();
}

}  // namespace

TEST_CASE("the estimate of the worked example") {
  const auto calibration =
      Calibration::restore(Calibration::Kind::binary, {0.5}, {0.1, 0.9}, {100, 100});
  REQUIRE(calibration);
  CHECK(calibration->estimate(std::vector<std::uint64_t>{30, 10}) == Approx(0.9));
  CHECK_FALSE(calibration->estimate(std::vector<std::uint64_t>{0, 0}));
  const auto confidence =
      Calibration::restore(Calibration::Kind::confidence, {0.5}, {0.2, 0.9}, {100, 100});
  CHECK(confidence->estimate(std::vector<std::uint64_t>{10, 10}) == Approx(0.55));
}

TEST_CASE("shifted inputs: the estimate follows the true accuracy") {
  const Sample reference = draw(50'000, 0, 0, 1);
  const auto calibration =
      Calibration::fit(Calibration::Kind::binary, reference.scores, reference.positive);
  REQUIRE(calibration);
  CHECK(calibration->bins().value_bins() == 32);
  for (const double shift : {0.0, 0.5, 1.0, -1.0, 2.0}) {
    const Sample live = draw(50'000, shift, 0, 2);
    INFO("shift " << shift << ", true accuracy " << live.accuracy);
    CHECK(estimate(*calibration, live) == Approx(live.accuracy).margin(0.01));
  }
}

TEST_CASE("a changed concept is not seen, as the header says") {
  const Sample reference = draw(50'000, 0, 0, 3);
  const auto calibration =
      Calibration::fit(Calibration::Kind::binary, reference.scores, reference.positive);
  const Sample flipped = draw(50'000, 0, 0.3, 4);
  CHECK(estimate(*calibration, flipped) > flipped.accuracy + 0.1);
}

TEST_CASE("rates are monotone, and bins without rows take their neighbour's") {
  const Sample reference = draw(2000, 0, 0, 5);
  const auto calibration =
      Calibration::fit(Calibration::Kind::binary, reference.scores, reference.positive);
  CHECK(std::is_sorted(calibration->rates().begin(), calibration->rates().end()));
  // Few distinct scores: the empty outer bins have the rates of their neighbours.
  std::vector<double> scores(100, 0.2);
  scores.resize(200, 0.8);
  std::vector<bool> hits(200);
  for (std::size_t i = 0; i < 200; ++i) hits[i] = i < 100 ? i < 10 : i < 190;
  const auto coarse = Calibration::fit(Calibration::Kind::binary, scores, hits);
  REQUIRE(coarse);
  CHECK(coarse->rates()[0] == Approx(0.1));
  CHECK(coarse->rates()[coarse->bins().value_bins() - 1] == Approx(0.9));
}

TEST_CASE("scores that are no probabilities and too few rows are refused") {
  CHECK(Calibration::fit(Calibration::Kind::binary, std::vector<double>(100, 1.5),
                         std::vector<bool>(100))
            .error()
            .code == "bad_scores");
  CHECK(Calibration::fit(Calibration::Kind::binary, std::vector<double>(10, 0.5),
                         std::vector<bool>(10))
            .error()
            .code == "too_few_rows");
  CHECK(Calibration::restore(Calibration::Kind::binary, {0.5}, {0.1}, {1, 2}).error().code ==
        "bad_calibration");
  CHECK(Calibration::restore(Calibration::Kind::binary, {0.5}, {0.1, 2}, {1, 2}).error().code ==
        "bad_calibration");
}
