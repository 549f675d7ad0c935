// SPDX-License-Identifier: Apache-2.0
#include "predictor/model/fit.h"

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <Eigen/QR>
#include <Eigen/SVD>
#include <algorithm>
#include <cmath>
#include <limits>

namespace outrider::model {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr double epsilon = std::numeric_limits<double>::epsilon();

// Minimum-norm least squares of centred columns. A tall matrix is first reduced to its triangle.
VectorXd minimum_norm(const MatrixXd& x, const VectorXd& y) {
  MatrixXd core = x;
  VectorXd target = y;
  if (x.rows() > x.cols()) {
    const Eigen::HouseholderQR<MatrixXd> qr(x);
    const Index columns = x.cols();
    core = qr.matrixQR().topRows(columns).triangularView<Eigen::Upper>();
    target = (qr.householderQ().transpose() * y).head(columns);
  }
  const Eigen::BDCSVD<MatrixXd> svd(core, Eigen::ComputeThinU | Eigen::ComputeThinV);
  const VectorXd& singular = svd.singularValues();
  const double cut = static_cast<double>(std::max(x.rows(), x.cols())) * epsilon *
                     (singular.size() > 0 ? singular(0) : 0.0);
  VectorXd scaled = svd.matrixU().transpose() * target;
  for (Index i = 0; i < scaled.size(); ++i)
    scaled(i) = singular(i) > cut ? scaled(i) / singular(i) : 0;
  return svd.matrixV() * scaled;
}

struct Standardised {
  MatrixXd columns;
  VectorXd mean;
  VectorXd deviation;  // Population; 1 for a constant column.
};

Standardised standardise(const MatrixXd& x) {
  Standardised s;
  s.mean = x.colwise().mean();
  s.columns = x.rowwise() - s.mean.transpose();
  s.deviation = (s.columns.colwise().squaredNorm() / static_cast<double>(x.rows())).cwiseSqrt();
  for (Index j = 0; j < x.cols(); ++j) {
    // What rounding leaves of a constant column is not a deviation.
    if (s.deviation(j) <= 10 * epsilon * std::abs(s.mean(j))) s.deviation(j) = 1;
    if (s.deviation(j) == 0) s.deviation(j) = 1;
  }
  s.columns.array().rowwise() /= s.deviation.transpose().array();
  return s;
}

// From coefficients of standardised columns to those of the raw ones.
Fit in_raw_units(const Standardised& s, const VectorXd& coefficients, double intercept) {
  Fit fit;
  fit.coefficients = coefficients.cwiseQuotient(s.deviation);
  fit.intercept = intercept - s.mean.dot(fit.coefficients);
  return fit;
}

double log1p_exp(double z) {
  return z > 0 ? z + std::log1p(std::exp(-z)) : std::log1p(std::exp(z));
}

// Negative log-likelihood plus lambda/2 |w|²; `weights` ends with the intercept.
double logistic_loss(const MatrixXd& x, const VectorXd& y, double lambda, const VectorXd& weights) {
  const Index columns = x.cols();
  const VectorXd z = (x * weights.head(columns)).array() + weights(columns);
  double loss = 0.5 * lambda * weights.head(columns).squaredNorm();
  for (Index i = 0; i < z.size(); ++i) loss += log1p_exp(z(i)) - y(i) * z(i);
  return loss;
}

// One Newton direction: gradient and Hessian at `weights`.
VectorXd newton_direction(const MatrixXd& x, const VectorXd& y, double lambda,
                          const VectorXd& weights, double& gradient_max) {
  const Index columns = x.cols();
  const VectorXd z = (x * weights.head(columns)).array() + weights(columns);
  const VectorXd p = (1.0 + (-z.array()).exp()).inverse();
  const VectorXd curvature = p.array() * (1 - p.array());
  VectorXd gradient(columns + 1);
  gradient.head(columns) = x.transpose() * (p - y) + lambda * weights.head(columns);
  gradient(columns) = (p - y).sum();
  gradient_max = gradient.cwiseAbs().maxCoeff();

  MatrixXd hessian(columns + 1, columns + 1);
  const MatrixXd weighted = curvature.asDiagonal() * x;
  hessian.topLeftCorner(columns, columns).noalias() = x.transpose() * weighted;
  hessian.topLeftCorner(columns, columns).diagonal().array() += lambda;
  hessian.topRightCorner(columns, 1) = weighted.colwise().sum().transpose();
  hessian.bottomLeftCorner(1, columns) = weighted.colwise().sum();
  hessian(columns, columns) = curvature.sum();
  hessian.diagonal().array() +=
      1e-12 * static_cast<double>(x.rows());  // Separable data without lambda.
  return hessian.ldlt().solve(gradient);
}

}  // namespace

Result<Fit> fit_ols(const MatrixXd& x, const VectorXd& y) {
  if (x.rows() == 0) return fail("too_few_rows", "no row to learn from");
  const VectorXd mean = x.colwise().mean();
  const double target_mean = y.mean();
  Fit fit;
  fit.coefficients =
      minimum_norm(x.rowwise() - mean.transpose(), (y.array() - target_mean).matrix());
  fit.intercept = target_mean - mean.dot(fit.coefficients);
  return fit;
}

Result<Fit> fit_ridge(const MatrixXd& x, const VectorXd& y, double lambda) {
  if (x.rows() == 0) return fail("too_few_rows", "no row to learn from");
  const Standardised s = standardise(x);
  const double target_mean = y.mean();
  const VectorXd centred = y.array() - target_mean;
  if (lambda <= 0) return in_raw_units(s, minimum_norm(s.columns, centred), target_mean);
  MatrixXd normal = MatrixXd::Zero(x.cols(), x.cols());
  normal.selfadjointView<Eigen::Lower>().rankUpdate(s.columns.transpose());
  normal.diagonal().array() += lambda;
  const VectorXd solution =
      normal.selfadjointView<Eigen::Lower>().llt().solve(s.columns.transpose() * centred);
  return in_raw_units(s, solution, target_mean);
}

Result<Fit> fit_logistic(const MatrixXd& x, const VectorXd& y, double lambda,
                         const OnStep& on_step) {
  if (x.rows() == 0) return fail("too_few_rows", "no row to learn from");
  if (y.minCoeff() == y.maxCoeff()) {
    return fail("one_class", "the training rows hold only one class; logistic needs both");
  }
  constexpr int iterations_max = 100;
  const Standardised s = standardise(x);
  VectorXd weights = VectorXd::Zero(x.cols() + 1);
  const double share = y.mean();
  weights(x.cols()) = std::log(share / (1 - share));
  double loss = logistic_loss(s.columns, y, lambda, weights);
  const double tolerance = 1e-9 * static_cast<double>(x.rows());
  int iteration = 0;
  bool converged = false;
  while (iteration < iterations_max && !converged) {
    ++iteration;
    if (on_step) on_step(static_cast<double>(iteration) / iterations_max);
    double gradient_max = 0;
    const VectorXd direction = newton_direction(s.columns, y, lambda, weights, gradient_max);
    converged = gradient_max < tolerance;
    double step = 1;
    for (; step > 1e-10; step /= 2) {
      const VectorXd next = weights - step * direction;
      const double next_loss = logistic_loss(s.columns, y, lambda, next);
      if (next_loss <= loss) {
        weights = next;
        loss = next_loss;
        break;
      }
    }
    if (step <= 1e-10) converged = true;  // No step improves: this is the optimum to rounding.
  }
  Fit fit = in_raw_units(s, weights.head(x.cols()), weights(x.cols()));
  fit.iterations = iteration;
  fit.converged = converged;
  return fit;
}

Collinearity find_collinear(const MatrixXd& x, double limit) {
  if (x.cols() < 2 || x.rows() < 3) return {};
  Standardised s = standardise(x);
  std::vector<Index> varying;
  for (Index j = 0; j < x.cols(); ++j) {
    if (s.columns.col(j).squaredNorm() > 0.5) varying.push_back(j);
  }
  if (varying.size() < 2) return {};
  const MatrixXd columns = s.columns(Eigen::all, varying);
  const MatrixXd correlation = columns.transpose() * columns / static_cast<double>(x.rows());
  const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(correlation);
  const VectorXd& values = eigen.eigenvalues();
  const double largest = values(values.size() - 1);
  const auto index_of = [&](double value) {
    return value > 1e-13 * largest ? std::sqrt(largest / value)
                                   : std::numeric_limits<double>::infinity();
  };
  Collinearity found{index_of(values(0)), {}};
  for (Index k = 0; k < values.size() && index_of(values(k)) > limit; ++k) {
    for (std::size_t j = 0; j < varying.size(); ++j) {
      // A column takes part when it carries a share of the direction that vanishes.
      if (std::abs(eigen.eigenvectors()(static_cast<Index>(j), k)) > 0.2) {
        found.columns.push_back(static_cast<std::size_t>(varying[j]));
      }
    }
  }
  std::sort(found.columns.begin(), found.columns.end());
  found.columns.erase(std::unique(found.columns.begin(), found.columns.end()), found.columns.end());
  return found;
}

}  // namespace outrider::model
