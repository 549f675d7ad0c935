// SPDX-License-Identifier: Apache-2.0
#pragma once

// PCA scores: multivariate drift that no single feature shows.
//
// Idea. Standardise with the reference's mu and sigma, project on the eigenvectors V of its
//   correlation matrix: z = V^T (x - mu) / sigma. Under no drift the components are uncorrelated
//   with variances lambda, so a changed correlation is a changed variance of some component,
//   which its reference bins see. T2 = sum z^2 / lambda measures distance inside the kept
//   subspace, Q = |residual|^2 distance from it.
// Parameters. k = min(d, 32) components: with more than 32 features the largest ones and the
//   smallest `smallest_kept` (a broken linear relation between features shows in the smallest
//   directions only).
// Cost. fit O(rows d^2 + d^3); a projection O(d k) multiply-adds, 0.2 us at d = 20.
// Example. x1, x2 standard with correlation 0.6: lambda = 1.6 and 0.4 along (1, 1) and (1, -1) /
//   sqrt 2.
// Source. Jackson & Mudholkar, "Control procedures for residuals associated with PCA",
//   Technometrics 1979; Qahtan et al., "A PCA-based change detection framework", KDD 2015 (why
//   score histograms suffice). Deviations: the smallest directions are kept; a missing value is
//   replaced by its mean (score 0).
// Fails. Non-linear dependence with unchanged covariance; categorical features are not seen.
//
// Immutable after construction; safe to share.

#include <Eigen/Core>
#include <cstdint>
#include <span>
#include <vector>

#include "base/core/result.h"

namespace outrider::detectors {

inline constexpr std::size_t components_max = 32;
inline constexpr std::size_t smallest_kept = 4;

class Pca {
 public:
  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

  // Sums that a fit needs; add rows, in any order, then fit. Merge = addition (to rounding).
  class Moments {
   public:
    explicit Moments(std::size_t features);
    void add(std::span<const double> row);  // A row with a value that is not finite is skipped.
    std::uint64_t rows() const { return rows_; }

   private:
    friend class Pca;
    std::uint64_t rows_ = 0;
    Eigen::VectorXd shift_;  // the first row: keeps the sums of squares small
    Eigen::VectorXd sum_;
    Eigen::MatrixXd products_;  // lower triangle
  };

  // A feature that does not vary, or whose squares overflow, takes no part.
  // Errors: "too_few_rows" (fewer than 2 whole rows), "no_variance" (no feature varies).
  static Result<Pca> fit(const Moments& moments, std::size_t components = components_max);
  // From stored parts. `vectors` is features x components, row-major. Errors: "bad_pca".
  static Result<Pca> restore(std::vector<double> mean, std::vector<double> deviation,
                             std::vector<double> vectors, std::vector<double> variances);

  std::size_t features() const { return mean_.size(); }
  std::size_t components() const { return static_cast<std::size_t>(variances_.size()); }
  std::span<const double> mean() const { return {mean_.data(), features()}; }
  std::span<const double> deviation() const { return {deviation_.data(), features()}; }
  std::span<const double> variances() const {
    return {variances_.data(), components()};
  }                                                   // lambda, descending
  const Matrix& vectors() const { return vectors_; }  // features x components

  struct Scores {
    double t2 = 0;         // sum z^2 / lambda
    double t2_shrunk = 0;  // as t2 with lambda shrunk 5 % toward their mean: the Mahalanobis score
    double q = 0;          // |residual|^2
  };
  // Writes the k scores to `z` (at least components()). A value that is not finite counts as the
  // mean.
  Scores project(std::span<const double> row, std::span<double> z) const;

 private:
  Pca() = default;
  void prepare();
  double standardised(std::size_t feature, double value) const;

  std::vector<double> mean_, deviation_, inverse_deviation_;
  Matrix vectors_;
  std::vector<double> variances_, inverse_variances_, inverse_shrunk_;
};

}  // namespace outrider::detectors
