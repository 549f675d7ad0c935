// SPDX-License-Identifier: Apache-2.0
#include "predictor/model/model.h"

#include <cmath>

namespace outrider::model {

std::string_view to_text(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::ols:
      return "ols";
    case Algorithm::ridge:
      return "ridge";
    case Algorithm::logistic:
      return "logistic";
  }
  return "unknown";
}

std::optional<Algorithm> parse_algorithm(std::string_view text) {
  for (const Algorithm algorithm : {Algorithm::ols, Algorithm::ridge, Algorithm::logistic}) {
    if (text == to_text(algorithm)) return algorithm;
  }
  return std::nullopt;
}

Prediction Model::predict(std::span<const Cell> cells) const {
  Prediction prediction;
  const double sum = intercept + encoding.dot(cells, coefficients.data(), prediction.counts);
  if (is_classifier()) {
    prediction.probability = 1 / (1 + std::exp(-sum));
    prediction.value = sum > 0 ? 1 : 0;
  } else {
    prediction.value = sum;
  }
  return prediction;
}

}  // namespace outrider::model
