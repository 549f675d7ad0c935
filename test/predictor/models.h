// SPDX-License-Identifier: Apache-2.0
#pragma once

// Small models and tables that several tests share.

#include <string>

#include "predictor/model/model.h"
#include "predictor/train/training.h"

namespace outrider::test {

// price = 10 + 2 · size + 5 · [view=GOOD] - 3 · [view=BAD]; view may be missing.
inline model::Model price_model() {
  model::Model model;
  model.name = "houses";
  model.target = "price";
  model.encoding =
      model::Encoding({{"size", model::Kind::numeric, 7, false, {}},
                       {"view", model::Kind::categorical, 0, true, {"", "BAD", "GOOD"}}});
  model.intercept = 10;
  model.coefficients = Eigen::Vector4d(2, 0, -3, 5);
  return model;
}

inline model::Model loan_model() {
  model::Model model;
  model.name = "loans";
  model.target = "paid";
  model.algorithm = model::Algorithm::logistic;
  model.encoding = model::Encoding({{"income", model::Kind::numeric, 0, false, {}}});
  model.coefficients = Eigen::VectorXd::Ones(1);
  model.classes = {"no", "yes"};
  return model;
}

inline train::Dataset dataset(const std::string& csv) {
  return train::parse_dataset("data.csv", csv).value();
}

inline const std::string seed_csv =
    "size,bedrooms,price\n1000,2,50\n1500,3,75\n2000,4,100\n2500,5,125\n";

}  // namespace outrider::test
