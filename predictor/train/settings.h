// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a person decides about a training run. Kept in the version's card, so that a retraining
// repeats it. A value.

#include <optional>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/wire/json.h"
#include "predictor/evaluate/evaluation.h"
#include "predictor/model/model.h"

namespace outrider::train {

struct Settings {
  std::string model_name;
  std::string target;
  model::Algorithm algorithm = model::Algorithm::ols;
  std::vector<std::string> features =
      {};  // Empty: every column but target, exclude and split_column.
  std::vector<std::string> exclude = {};
  std::vector<std::string> categorical = {};  // Columns of numbers that are categories.
  std::size_t categories_max = 200;
  bool split_by_time = false;      // Otherwise by hash.
  std::string split_column = {};   // Time: needed. Hash: rows with the same value stay together.
  double holdout = 0.2;            // Share of rows held out.
  double rows_drop_max = 0.05;     // Share of rows that may lack a usable target or time.
  std::optional<Time> since = {};  // Rows before it are not used; needs split_by_time.
  evaluate::Tolerance tolerance = {};
  std::vector<std::string> segments = {};
  std::string group = {};       // Column of the fairness gate.
  std::string privileged = {};  // Its privileged value; empty: the largest group.
  double ridge_lambda = 1;
  double logistic_lambda = 1;
};

wire::Json to_json(const Settings& settings);
// Error "card_invalid".
Result<Settings> parse_settings(const wire::Json& json);

}  // namespace outrider::train
