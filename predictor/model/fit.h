// SPDX-License-Identifier: Apache-2.0
#pragma once

// Linear models by least squares and by maximum likelihood. PURE.
//
// All coefficients are of the raw design columns: standardisation is undone, so that a prediction
// is intercept + row · coefficients. Answers are scikit-learn's
// (test/oracle/predictor_oracle_test.py):
//   fit_ols       LinearRegression(): minimum-norm least squares on centred columns, singular
//   values
//                 below max(rows, columns) · eps · the largest taken as 0.
//   fit_ridge     StandardScaler + Ridge(alpha=lambda).
//   fit_logistic  StandardScaler + LogisticRegression(C=1/lambda), the intercept not penalised,
//                 by Newton's method with step halving.
// Cost: O(rows · columns²). Memory: the matrix once more.

#include <Eigen/Core>
#include <functional>
#include <string>
#include <vector>

#include "base/core/result.h"

namespace outrider::model {

struct Fit {
  double intercept = 0;
  Eigen::VectorXd coefficients;
  int iterations = 0;  // Of Newton's method; 0 where the solution is direct.
  bool converged = true;
};

using OnStep = std::function<void(double fraction)>;  // Progress, 0 to 1.

// Errors of each: "too_few_rows" (none).
Result<Fit> fit_ols(const Eigen::MatrixXd& x, const Eigen::VectorXd& y);
Result<Fit> fit_ridge(const Eigen::MatrixXd& x, const Eigen::VectorXd& y, double lambda);
// y is 0 or 1. Error "one_class" when only one of them occurs.
Result<Fit> fit_logistic(const Eigen::MatrixXd& x, const Eigen::VectorXd& y, double lambda,
                         const OnStep& on_step = {});

// Columns that (nearly) are linear combinations of others, from the eigenvalues of the correlation
// matrix: the condition number of the standardised columns and, where it exceeds `limit`, the
// columns that take part. Source: Belsley, Kuh & Welsch, Regression Diagnostics (1980), with
// centred columns.
struct Collinearity {
  double condition_number = 1;       // Infinity when exactly collinear.
  std::vector<std::size_t> columns;  // Empty when condition_number <= limit.
};
Collinearity find_collinear(const Eigen::MatrixXd& x, double limit = 30);

}  // namespace outrider::model
