// SPDX-License-Identifier: Apache-2.0
#pragma once

// A trained linear model: what training writes and serving reads. A value; const functions are
// thread-safe. One prediction costs O(features) and no allocation.
//
//   model.predict({1800.0, 3.0}).value        // 89.99994

#include <Eigen/Core>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "predictor/model/encoding.h"

namespace outrider::model {

enum class Algorithm { ols, ridge, logistic };

std::string_view to_text(Algorithm algorithm);
std::optional<Algorithm> parse_algorithm(std::string_view text);

struct Prediction {
  double value = 0;        // Regression: the target. Logistic: the index of the class, 0 or 1.
  double probability = 0;  // Logistic: of class 1, the second of Model::classes.
  RowCounts counts;
};

struct Model {
  std::string name;
  std::string target;
  Algorithm algorithm = Algorithm::ols;
  Encoding encoding;
  double intercept = 0;
  Eigen::VectorXd coefficients;      // Of the design columns.
  std::vector<std::string> classes;  // Logistic: the two classes, sorted; otherwise empty.

  bool is_classifier() const { return !classes.empty(); }
  // cells.size() must be encoding.features().size().
  Prediction predict(std::span<const Cell> cells) const;
};

}  // namespace outrider::model
