// SPDX-License-Identifier: Apache-2.0
#include "predictor/evaluate/evaluation.h"

#include <cmath>
#include <random>

#include "test/predictor/models.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::evaluate;

TEST_CASE("a prediction within the tolerance of the truth is correct, on the bound too") {
  model::Model model = test::price_model();  // size 45 says 100.
  const std::vector<model::Cells> rows(4, model::Cells{45.0, model::Cell{}});
  const auto outcomes = judge(model, rows, {100, 125, 80, 0}, {.relative = 0.2, .absolute = 0});
  CHECK(outcomes.wrong == std::vector<char>{0, 0, 1, 1});
  const auto lenient = judge(model, rows, {100, 125, 80, 0}, {.relative = 0.2, .absolute = 100});
  CHECK(lenient.wrong == std::vector<char>{0, 0, 0, 0});
}

TEST_CASE("regression metrics by hand") {
  Outcomes outcomes;
  outcomes.truth = {1, 2, 3, 4};
  outcomes.predicted = {1, 3, 3, 2};
  outcomes.wrong = {0, 1, 0, 1};
  const Metrics m = measure(outcomes, outcomes.all_rows());
  CHECK(m.error_rate() == 0.5);
  CHECK(m.mae == 0.75);
  CHECK(m.rmse == Approx(std::sqrt(1.25)));
  CHECK(m.bias == -0.25);
  CHECK(m.r2 == Approx(1 - 5.0 / 5.0));
}

TEST_CASE("class metrics by hand, ties in the ranking counted half") {
  Outcomes outcomes;
  outcomes.classes = true;
  outcomes.truth = {1, 1, 0, 0};
  outcomes.probability = {0.9, 0.4, 0.4, 0.1};
  outcomes.predicted = {1, 0, 0, 0};
  outcomes.wrong = {0, 1, 0, 0};
  const Metrics m = measure(outcomes, outcomes.all_rows());
  CHECK(m.precision == 1);
  CHECK(m.recall == 0.5);
  CHECK(m.f1 == Approx(2.0 / 3));
  CHECK(m.auc == Approx(0.875));
  CHECK(m.log_loss == Approx(-(std::log(.9) + std::log(.4) + std::log(.6) + std::log(.9)) / 4));
}

TEST_CASE("no rows measure as nothing") {
  const Metrics m = measure({}, {});
  CHECK(m.rows == 0);
  CHECK(m.error_rate() == 0);
}

TEST_CASE("independent errors have a design effect near 1, bursts a larger one") {
  std::mt19937 random(1);
  std::uniform_real_distribution<double> uniform;
  std::vector<char> independent, bursts;
  bool inside = false;
  for (int i = 0; i < 100'000; ++i) {
    independent.push_back(uniform(random) < 0.05);
    inside = inside ? uniform(random) > 0.1 : uniform(random) < 0.005;
    bursts.push_back(inside);
  }
  CHECK(design_effect(independent) < 1.2);
  CHECK(design_effect(bursts) > 8);
  CHECK(design_effect(std::vector<char>(1000, 0)) == 1);
}
