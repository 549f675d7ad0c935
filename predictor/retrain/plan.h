// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which rows a retraining learns from, and on which it is judged. PURE.
//
// Rows come from the original CSV and from live sources (the sidecar's or agent's training data:
// the features by name, `prediction`, `label`, `timestamp`, `id`; or a CSV file that grows). They
// are brought to one table with the columns the production model needs, the target, and one time
// column. Whatever the strategy, the newest live rows are held out: neither version was trained on
// them.
//
//   since the change    enough live rows since the change: learn anew from them alone. What the model
//                       knew before the change is wrong now; pooling would average the two.
//   recalibrated        some: the parent's coefficients stay (the prior), a shift and a scale are
//                       learnt from the rows since the change.
//   pooled              too few, or no change time: original and live rows together.

#include <optional>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "predictor/train/training.h"

namespace outrider::retrain {

struct PlanRules {
  std::size_t rows_min = 100;             // Training rows to learn anew from, and …
  std::size_t rows_per_column_min = 10;   // … this many a design column.
  std::size_t recalibrate_rows_min = 20;  // Training rows to shift and scale by.
  double holdout = 0.2;  // Share of the live rows held out; at least held_out_rows_min.
};

struct Plan {
  train::Dataset dataset;
  train::Split split;
  train::Settings settings;
  bool recalibrate = false;
  std::string strategy;
};

struct PlanInputs {
  const model::Model& production;
  const train::Settings& settings;  // Of production.
  const train::Dataset* original = nullptr;
  std::vector<const train::Dataset*> live = {};
  std::optional<Time> since = {};
};

// Errors: "unknown_column" (a source lacks a feature), "bad_time", "too_few_rows".
Result<Plan> make_plan(const PlanInputs& inputs, const PlanRules& rules);

}  // namespace outrider::retrain
