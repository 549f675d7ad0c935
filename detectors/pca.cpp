// SPDX-License-Identifier: Apache-2.0
#include "detectors/pca.h"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <numeric>

#include "base/core/text.h"

namespace outrider::detectors {
namespace {

// Variances of standardised components below this are rounding, or an exactly linear relation: its
// T2 term then weighs a broken relation 10 000-fold, not infinitely.
constexpr double variance_floor = 1e-4;
constexpr double shrinkage = 0.05;
// A feature at a million deviations is as far out as one at a billion, and its square stays finite.
constexpr double standardised_max = 1e6;
// Scores this close to 0 are rounding of an exact relation: bins of rounding noise would drift on
// nothing.
constexpr double score_resolution = 1e-6;

bool all_finite(std::span<const double> row) {
  return std::all_of(row.begin(), row.end(), [](double x) { return std::isfinite(x); });
}

// Features that are standardised at once; their scores are added up in registers.
constexpr std::size_t block = 32;

// From score j on, as many at once as fit: adds the sum over i of
// x[i] * vectors[i * scores.size() + j], in the order of i, so that it is the same however many are
// taken at once.
template <int lanes>
void add_products(std::span<const double> x, const double* vectors, std::span<double> scores,
                  std::size_t& j) {
  using Lanes = Eigen::Array<double, lanes, 1>;
  for (; j + lanes <= scores.size(); j += lanes) {
    Lanes sum = Eigen::Map<const Lanes>(&scores[j]);
    for (std::size_t i = 0; i < x.size(); ++i) {
      sum += x[i] * Eigen::Map<const Lanes>(vectors + i * scores.size() + j);
    }
    Eigen::Map<Lanes>{&scores[j]} = sum;
  }
}

void add_products(std::span<const double> x, const double* vectors, std::span<double> scores) {
  std::size_t j = 0;
  add_products<8>(x, vectors, scores, j);
  add_products<4>(x, vectors, scores, j);
  add_products<1>(x, vectors, scores, j);
}

// The largest, and of more than fit the smallest few in place of the middle; as indices, variance
// descending.
std::vector<Eigen::Index> choose(Eigen::Index features, std::size_t components) {
  std::vector<Eigen::Index> kept;
  const auto wanted = static_cast<Eigen::Index>(components);
  if (features <= wanted) {
    for (Eigen::Index i = features; i-- > 0;) kept.push_back(i);
    return kept;
  }
  const Eigen::Index smallest = std::min<Eigen::Index>(smallest_kept, wanted / 2);
  for (Eigen::Index i = 0; i < wanted - smallest; ++i) kept.push_back(features - 1 - i);
  for (Eigen::Index i = smallest; i-- > 0;) kept.push_back(i);
  return kept;
}

}  // namespace

Pca::Moments::Moments(std::size_t features)
    : shift_(Eigen::VectorXd::Zero(static_cast<Eigen::Index>(features))),
      sum_(shift_),
      products_(Eigen::MatrixXd::Zero(shift_.size(), shift_.size())) {}

void Pca::Moments::add(std::span<const double> row) {
  assert(static_cast<Eigen::Index>(row.size()) == shift_.size());
  if (!all_finite(row)) return;
  const Eigen::Map<const Eigen::VectorXd> values(row.data(), shift_.size());
  if (rows_ == 0) shift_ = values;
  const Eigen::VectorXd moved = values - shift_;
  sum_ += moved;
  products_.selfadjointView<Eigen::Lower>().rankUpdate(moved);
  ++rows_;
}

Result<Pca> Pca::fit(const Moments& moments, std::size_t components) {
  if (moments.rows_ < 2) {
    return fail("too_few_rows", "PCA: " + std::to_string(moments.rows_) +
                                    " rows without a missing value: expected at least 2");
  }
  const Eigen::Index d = moments.sum_.size();
  const auto n = static_cast<double>(moments.rows_);
  const Eigen::VectorXd mean = moments.sum_ / n;
  Eigen::MatrixXd covariance = moments.products_.selfadjointView<Eigen::Lower>();
  covariance = covariance / n - mean * mean.transpose();

  Eigen::VectorXd scale = Eigen::VectorXd::Zero(d);  // 1 / deviation; 0 for a constant
  Pca pca;
  for (Eigen::Index i = 0; i < d; ++i) {
    const double variance = std::max(0.0, covariance(i, i));
    // What remains of a constant after cancellation is rounding of its square.
    const double rounding = 1e-24 * (mean(i) * mean(i) + moments.shift_(i) * moments.shift_(i));
    const double center = moments.shift_(i) + mean(i);
    const bool usable = variance > rounding && std::isfinite(variance) && std::isfinite(center);
    const double deviation = usable ? std::sqrt(variance) : 0;
    pca.mean_.push_back(std::isfinite(center) ? center : 0);
    pca.deviation_.push_back(deviation);
    scale(i) = deviation > 0 ? 1 / deviation : 0;
    if (usable) continue;
    covariance.row(i)
        .setZero();  // Squares of its values overflow: it takes no part, as a constant.
    covariance.col(i).setZero();
  }
  if (scale.maxCoeff() == 0) return fail("no_variance", "PCA: no numeric feature varies");

  const Eigen::MatrixXd correlation = scale.asDiagonal() * covariance * scale.asDiagonal();
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(correlation);
  if (solver.info() != Eigen::Success)
    return fail("no_variance", "PCA: no eigenvectors were found");

  const auto kept = choose(d, std::min(components, components_max));
  pca.vectors_.resize(d, static_cast<Eigen::Index>(kept.size()));
  for (std::size_t j = 0; j < kept.size(); ++j) {
    Eigen::VectorXd direction = solver.eigenvectors().col(kept[j]);
    // An eigenvector's sign is arbitrary: the largest coordinate is made positive, so that equal
    // data gives equal references.
    Eigen::Index largest = 0;
    direction.cwiseAbs().maxCoeff(&largest);
    if (direction(largest) < 0) direction = -direction;
    pca.vectors_.col(static_cast<Eigen::Index>(j)) = direction;
    pca.variances_.push_back(std::max(0.0, solver.eigenvalues()(kept[j])));
  }
  pca.prepare();
  return pca;
}

Result<Pca> Pca::restore(std::vector<double> mean, std::vector<double> deviation,
                         std::vector<double> vectors, std::vector<double> variances) {
  const std::size_t d = mean.size(), k = variances.size();
  if (d == 0 || k == 0 || k > components_max || k > d || deviation.size() != d ||
      vectors.size() != d * k) {
    return fail("bad_pca", "PCA: " + std::to_string(d) + " means, " +
                               std::to_string(deviation.size()) + " deviations, " +
                               std::to_string(vectors.size()) + " coordinates, " +
                               std::to_string(k) +
                               " variances: expected d, d, d k, k with 1 <= k <= min(d, 32)");
  }
  const auto not_negative = [](double x) { return x >= 0; };
  if (!all_finite(mean) || !all_finite(deviation) || !all_finite(vectors) ||
      !all_finite(variances) || !std::all_of(deviation.begin(), deviation.end(), not_negative) ||
      !std::all_of(variances.begin(), variances.end(), not_negative) ||
      !std::all_of(vectors.begin(), vectors.end(),
                   [](double x) { return std::abs(x) <= 1.000001; })) {
    return fail("bad_pca",
                "PCA: expected finite numbers, deviations and variances >= 0, unit vectors");
  }
  Pca pca;
  pca.mean_ = std::move(mean);
  pca.deviation_ = std::move(deviation);
  pca.variances_ = std::move(variances);
  pca.vectors_ = Eigen::Map<const Matrix>(vectors.data(), static_cast<Eigen::Index>(d),
                                          static_cast<Eigen::Index>(k));
  pca.prepare();
  return pca;
}

void Pca::prepare() {
  for (const double deviation : deviation_) {
    inverse_deviation_.push_back(deviation > 0 ? 1 / deviation : 0);
  }
  const double mean_variance = std::accumulate(variances_.begin(), variances_.end(), 0.0) /
                               static_cast<double>(variances_.size());
  for (const double variance : variances_) {
    inverse_variances_.push_back(1 / std::max(variance, variance_floor));
    const double shrunk = (1 - shrinkage) * variance + shrinkage * mean_variance;
    inverse_shrunk_.push_back(1 / std::max(shrunk, variance_floor));
  }
}

// A feature's value in units of its deviation.
double Pca::standardised(std::size_t feature, double value) const {
  const double x = (value - mean_[feature]) * inverse_deviation_[feature];
  if (!(x - x == 0)) return 0;  // Missing, NaN, infinite: at the mean.
  return std::clamp(x, -standardised_max, standardised_max);
}

Pca::Scores Pca::project(std::span<const double> row, std::span<double> z) const {
  assert(row.size() == features() && z.size() >= components());
  std::fill_n(z.begin(), components(), 0.0);
  double squares = 0;
  std::array<double, block> x;
  for (std::size_t first = 0; first < row.size(); first += block) {
    const std::size_t count = std::min(block, row.size() - first);
    for (std::size_t i = 0; i < count; ++i) {
      x[i] = standardised(first + i, row[first + i]);
      squares += x[i] * x[i];
    }
    const double* const vectors = vectors_.data() + first * components();
    add_products({x.data(), count}, vectors, z.first(components()));
  }
  Scores out;
  double kept = 0;
  for (std::size_t j = 0; j < components(); ++j) {
    if (std::abs(z[j]) < score_resolution) z[j] = 0;
    const double square = z[j] * z[j];
    kept += square;
    out.t2 += square * inverse_variances_[j];
    out.t2_shrunk += square * inverse_shrunk_[j];
  }
  // The columns are orthonormal, so what they do not hold is the rest; of all directions nothing is
  // left.
  const double rest = squares - kept;
  out.q = components() < features() && rest > 1e-9 * squares ? rest : 0;
  return out;
}

}  // namespace outrider::detectors
