// SPDX-License-Identifier: Apache-2.0
#include "detectors/forecast/ridge_autoregression.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <limits>

namespace outrider::detectors::forecast {
namespace {

constexpr double offset_share = 0.01;  // Of the range: what the least value's logarithm is of.
constexpr std::size_t batch = 128;     // Rows a product of matrices.

}  // namespace

RidgeAutoregression::RidgeAutoregression(const Filled& series, RidgeShape shape)
    : shape_(std::move(shape)),
      z_(series.values),
      w_(series.values.size(), 0),
      usable_(series.known),
      low_(std::numeric_limits<double>::infinity()),
      high_(-std::numeric_limits<double>::infinity()) {
  const auto size = static_cast<Eigen::Index>(shape_.lags.size()) + 1;
  sums_ = Eigen::VectorXd::Zero(size);
  products_ = Eigen::MatrixXd::Zero(size, size);
  if (shape_.scale == Scale::logarithm && !z_.empty()) {
    const auto [least, greatest] = std::minmax_element(z_.begin(), z_.end());
    if (*least <= 0) {
      offset_ = offset_share * (*greatest - *least) - *least;
      if (offset_ + *least <= 0) offset_ = 1 - *least;  // All are the same.
    }
    for (double& value : z_) value = std::log(value + offset_);
  }
  const std::size_t back = shape_.difference;
  for (std::size_t t = back; t < z_.size(); ++t) {
    w_[t] = back > 0 ? z_[t] - z_[t - back] : z_[t];
    if (back > 0 && !series.known[t - back]) usable_[t] = 0;
  }
  reach_ = back + (shape_.lags.empty() ? 0 : shape_.lags.back());
  anchor_ = back == 0 && !w_.empty() ? w_.front() : 0;
}

double RidgeAutoregression::to_value(double z) const {
  return shape_.scale == Scale::logarithm ? std::exp(z) - offset_ : z;
}

void RidgeAutoregression::learn(std::size_t end) {
  end = std::min(end, z_.size());
  for (std::size_t t = learned_; t < end; ++t) {
    low_ = std::min(low_, z_[t]);
    high_ = std::max(high_, z_[t]);
  }
  for (std::size_t begin = std::max(learned_, reach_); begin < end; begin += batch) {
    take(begin, std::min(end, begin + batch));
  }
  learned_ = std::max(learned_, end);
}

void RidgeAutoregression::take(std::size_t begin, std::size_t end) {
  const auto lags = static_cast<Eigen::Index>(shape_.lags.size());
  Eigen::MatrixXd rows(lags + 1, static_cast<Eigen::Index>(end - begin));
  Eigen::Index count = 0;
  for (std::size_t t = begin; t < end; ++t) {
    if (!usable_[t]) continue;
    for (Eigen::Index i = 0; i < lags; ++i) {
      rows(i, count) = w_[t - shape_.lags[static_cast<std::size_t>(i)]] - anchor_;
    }
    rows(lags, count++) = w_[t] - anchor_;
  }
  if (count == 0) return;  // A gap all along, of which Eigen makes no product.
  sums_ += rows.leftCols(count).rowwise().sum();
  products_.selfadjointView<Eigen::Lower>().rankUpdate(rows.leftCols(count));
  rows_ += static_cast<double>(count);
}

Eigen::VectorXd RidgeAutoregression::coefficients() const {
  const auto lags = static_cast<Eigen::Index>(shape_.lags.size());
  Eigen::VectorXd result = Eigen::VectorXd::Zero(lags + 1);
  if (rows_ < 2) return result;
  const Eigen::VectorXd means = sums_ / rows_;
  Eigen::MatrixXd covariance = products_ / rows_;
  covariance.selfadjointView<Eigen::Lower>().rankUpdate(means, -1);
  const Eigen::MatrixXd full = covariance.selfadjointView<Eigen::Lower>();
  const double scale = std::max(full.diagonal().maxCoeff(), 0.0);
  // What does not vary has no say: its row becomes that of the identity.
  const double least = std::max(1e-14 * scale, std::numeric_limits<double>::min());
  const Eigen::VectorXd deviations =
      full.diagonal().unaryExpr([&](double v) { return v > least ? std::sqrt(v) : 0.0; });
  const Eigen::VectorXd inverse =
      deviations.unaryExpr([](double d) { return d > 0 ? 1 / d : 0.0; });
  Eigen::MatrixXd correlations = inverse.asDiagonal() * full * inverse.asDiagonal();
  for (Eigen::Index i = 0; i < lags; ++i) {
    correlations(i, i) = (inverse[i] > 0 ? correlations(i, i) : 1) + shape_.penalty;
  }
  const Eigen::VectorXd standardised =
      correlations.topLeftCorner(lags, lags).ldlt().solve(correlations.col(lags).head(lags));
  if (standardised.allFinite()) {
    result.head(lags) = standardised.cwiseProduct(inverse.head(lags)) * deviations[lags];
  }
  result[lags] = anchor_ + means[lags] -
                 result.head(lags).dot(means.head(lags) + Eigen::VectorXd::Constant(lags, anchor_));
  return result;
}

std::vector<double> RidgeAutoregression::ahead(std::size_t at, std::size_t horizon) const {
  const Eigen::VectorXd b = coefficients();
  const std::size_t lags = shape_.lags.size();
  const std::size_t back = shape_.difference;
  const double room = high_ - low_;
  // The tail that lags and difference reach, and room for what comes.
  const std::size_t begin = at - std::min(at, std::max(reach_, std::size_t{1}));
  const auto from = static_cast<std::ptrdiff_t>(begin);
  std::vector<double> z(z_.begin() + from, z_.begin() + static_cast<std::ptrdiff_t>(at));
  std::vector<double> w(w_.begin() + from, w_.begin() + static_cast<std::ptrdiff_t>(at));
  const std::size_t size = z.size();
  z.resize(size + horizon);
  w.resize(size + horizon);
  std::vector<double> values(horizon);
  for (std::size_t t = size; t < size + horizon; ++t) {
    double next = b[static_cast<Eigen::Index>(lags)];
    for (std::size_t i = 0; i < lags; ++i) {
      const std::size_t lag = shape_.lags[i];
      if (lag <= t) next += b[static_cast<Eigen::Index>(i)] * w[t - lag];
    }
    z[t] = std::clamp(back > 0 && back <= t ? z[t - back] + next : next, low_ - room, high_ + room);
    w[t] = back > 0 && back <= t ? z[t] - z[t - back] : z[t];
    values[t - size] = to_value(z[t]);
  }
  return values;
}

}  // namespace outrider::detectors::forecast
