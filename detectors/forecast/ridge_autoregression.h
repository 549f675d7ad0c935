// SPDX-License-Identifier: Apache-2.0
#pragma once

// Ridge autoregression on sparse lags: the next value as a weighted sum of some earlier ones.
//
// Idea. w[t] = c + sum over lags of b_l w[t - l], by least squares with a penalty on the
//   standardised coefficients; ahead of the last value it feeds on its own forecasts. w is the
//   series, its logarithm, or its difference over `difference` steps (1: it starts from the last
//   value; a season: it is anchored to the last season).
// Parameters. penalty 1e-5 of each lag's variance: enough to tell lags apart that say the same, and
//   no more (1e-3 and 1e-4 were worse on the development data).
// Limits. A forecast leaves the range of what was seen by one range at most, so that an unstable
//   fit stays a number.
// Cost. learn: O(lags²) a row, once; ahead: O(lags³ + horizon x lags). Memory O(lags²) and one
//   number a slot.
// Example. On w[t] = 0.8 w[t - 1] exactly, one lag: b = 0.8 within 1e-4.
// Source. Hoerl & Kennard 1970. Recursive forecasts: Marcellino, Stock & Watson 2006.
// Fails. On what its lags do not reach. Rows whose value was a gap are not learned.
// The logarithm's offset, where the series is not positive, is of the whole history: values behind
// `at` change it.
//
// PURE.

#include <Eigen/Core>
#include <cstdint>

#include "detectors/forecast/method.h"

namespace outrider::detectors::forecast {

enum class Scale : std::uint8_t { level, logarithm };

struct RidgeShape {
  std::string_view name;
  std::vector<std::size_t> lags;  // Ascending, each once, from 1.
  Scale scale = Scale::level;
  std::size_t difference = 0;  // 0: none.
  double penalty = 1e-5;
};

class RidgeAutoregression : public Method {
 public:
  RidgeAutoregression(const Filled& series, RidgeShape shape);

  std::string_view name() const override { return shape_.name; }
  void learn(std::size_t end) override;
  std::vector<double> ahead(std::size_t at, std::size_t horizon) const override;

  // By lags, then the constant. Zeros before anything was learned.
  Eigen::VectorXd coefficients() const;

 private:
  double to_value(double z) const;
  void take(std::size_t begin, std::size_t end);

  RidgeShape shape_;
  std::vector<double> z_;     // The series on its scale.
  std::vector<double> w_;     // Its differences; 0 where there is none yet.
  std::vector<char> usable_;  // Rows to learn from.
  double offset_ = 0;         // Of the logarithm.
  double anchor_ = 0;         // Sums are of w - anchor.
  std::size_t reach_ = 0;     // The first row that has all lags.
  std::size_t learned_ = 0;
  double rows_ = 0;
  double low_, high_;         // Of z, before learned_.
  Eigen::VectorXd sums_;      // Lags, then the value.
  Eigen::MatrixXd products_;  // Lower half.
};

}  // namespace outrider::detectors::forecast
