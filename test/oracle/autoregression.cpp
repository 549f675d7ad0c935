// SPDX-License-Identifier: Apache-2.0
// Shows the ridge autoregression to its oracle: difference, penalty, horizon, lags and values on
// standard input, out come the coefficients and the values ahead.
//   DIFFERENCE PENALTY HORIZON COUNT LAG... VALUE...
#include <cstdio>
#include <iostream>

#include "detectors/forecast/ridge_autoregression.h"

int main() {
  using namespace outrider::detectors::forecast;
  RidgeShape shape{"oracle", {}, Scale::level, 0};
  std::size_t horizon = 0, count = 0;
  std::cin >> shape.difference >> shape.penalty >> horizon >> count;
  shape.lags.resize(count);
  for (std::size_t& lag : shape.lags) std::cin >> lag;
  std::vector<double> values;
  for (double value = 0; std::cin >> value;) values.push_back(value);
  const Filled series = fill(values, {});
  RidgeAutoregression method(series, shape);
  method.learn(values.size());
  const Eigen::VectorXd coefficients = method.coefficients();
  for (Eigen::Index i = 0; i < coefficients.size(); ++i) std::printf("%.17g ", coefficients[i]);
  for (const double value : method.ahead(values.size(), horizon)) std::printf("%.17g ", value);
  return 0;
}
