// SPDX-License-Identifier: Apache-2.0
#include "predictor/model/fit.h"

#include <cmath>
#include <random>

#include "test/support/catch.h"

using namespace outrider::model;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

struct Problem {
  MatrixXd x;
  VectorXd y;
};

Problem linear_problem(int rows, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  Problem problem{MatrixXd(rows, 3), VectorXd(rows)};
  for (int i = 0; i < rows; ++i) {
    problem.x.row(i) << normal(random), 100 + 10 * normal(random), 1000 * normal(random);
    problem.y(i) = 5 + 2 * problem.x(i, 0) - 3 * problem.x(i, 1) + 0.01 * problem.x(i, 2);
  }
  return problem;
}

}  // namespace

TEST_CASE("the seed's four collinear rows answer 89.99994 for (1800, 3)") {
  const MatrixXd x{{1000, 2}, {1500, 3}, {2000, 4}, {2500, 5}};
  const VectorXd y{{50, 75, 100, 125}};
  const Fit fit = fit_ols(x, y).value();
  // By hand: slopes 25·(500, 1)/(500² + 1), through the means (1750, 3.5) -> 87.5.
  CHECK(fit.coefficients(0) == Approx(12500.0 / 250001).epsilon(1e-12));
  CHECK(fit.coefficients(1) == Approx(25.0 / 250001).epsilon(1e-9));
  CHECK(fit.intercept + 1800 * fit.coefficients(0) + 3 * fit.coefficients(1) ==
        Approx(89.99994000024).epsilon(1e-12));
}

TEST_CASE("ols finds the plane that rows lie on, also with more columns than rows") {
  const Problem problem = linear_problem(200, 1);
  const Fit fit = fit_ols(problem.x, problem.y).value();
  CHECK(fit.intercept == Approx(5).epsilon(1e-9));
  CHECK(fit.coefficients(1) == Approx(-3).epsilon(1e-9));
  const MatrixXd wide = problem.x.topRows(2);
  const Fit few = fit_ols(wide, problem.y.head(2)).value();
  CHECK(few.intercept + wide.row(0).dot(few.coefficients) == Approx(problem.y(0)));
}

TEST_CASE("ridge shrinks towards the mean as lambda grows, and is ols at 0") {
  const Problem problem = linear_problem(200, 2);
  const Fit none = fit_ridge(problem.x, problem.y, 0).value();
  CHECK(none.coefficients(0) == Approx(2).epsilon(1e-9));
  double last = std::abs(none.coefficients(1));
  for (const double lambda : {1.0, 100.0, 1e6}) {
    const Fit fit = fit_ridge(problem.x, problem.y, lambda).value();
    CHECK(std::abs(fit.coefficients(1)) < last);
    last = std::abs(fit.coefficients(1));
    CHECK(fit.intercept + problem.x.colwise().mean().dot(fit.coefficients) ==
          Approx(problem.y.mean()));
  }
}

TEST_CASE("logistic recovers the log-odds that made the data") {
  std::mt19937 random(3);
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform;
  MatrixXd x(20'000, 1);
  VectorXd y(20'000);
  for (int i = 0; i < x.rows(); ++i) {
    x(i, 0) = 50 + 10 * normal(random);
    y(i) = uniform(random) < 1 / (1 + std::exp(-(0.2 * (x(i, 0) - 50) + 0.5))) ? 1 : 0;
  }
  const Fit fit = fit_logistic(x, y, 1).value();
  CHECK(fit.converged);
  CHECK(fit.coefficients(0) == Approx(0.2).margin(0.02));
  CHECK(fit.intercept + 50 * fit.coefficients(0) == Approx(0.5).margin(0.06));
}

TEST_CASE("logistic on separable rows ends with finite coefficients") {
  const MatrixXd x{{1}, {2}, {3}, {4}};
  const VectorXd y{{0, 0, 1, 1}};
  for (const double lambda : {0.0, 1.0}) {
    const Fit fit = fit_logistic(x, y, lambda).value();
    CHECK(fit.coefficients.allFinite());
    CHECK(fit.intercept + 4 * fit.coefficients(0) > 0);
  }
  CHECK(fit_logistic(x, VectorXd::Ones(4), 1).error().code == "one_class");
}

TEST_CASE("no rows are an error, not a crash") {
  CHECK(fit_ols(MatrixXd(0, 2), VectorXd(0)).error().code == "too_few_rows");
  CHECK(fit_ridge(MatrixXd(0, 2), VectorXd(0), 1).error().code == "too_few_rows");
  CHECK(fit_logistic(MatrixXd(0, 2), VectorXd(0), 1).error().code == "too_few_rows");
}

TEST_CASE("constant columns get no say and do no harm") {
  Problem problem = linear_problem(100, 4);
  problem.x.col(2).setConstant(0.1);
  problem.y = problem.x.col(0);
  for (const Fit& fit :
       {fit_ols(problem.x, problem.y).value(), fit_ridge(problem.x, problem.y, 1e-9).value()}) {
    CHECK(fit.coefficients(0) == Approx(1).epsilon(1e-6));
    CHECK(std::abs(fit.coefficients(2)) < 1e-6);
  }
}

TEST_CASE("collinear columns are named, exact ones with an infinite condition number") {
  Problem problem = linear_problem(300, 5);
  CHECK(find_collinear(problem.x).columns.empty());
  CHECK(find_collinear(problem.x).condition_number < 2);
  MatrixXd x(300, 4);
  x << problem.x, problem.x.col(0) * 2000 + problem.x.col(2);
  const Collinearity found = find_collinear(x);
  CHECK(std::isinf(found.condition_number));
  CHECK(found.columns == std::vector<std::size_t>{0, 2, 3});
}
