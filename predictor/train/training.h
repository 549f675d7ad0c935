// SPDX-License-Identifier: Apache-2.0
#pragma once

// Rows -> a model and what it is worth. PURE.
//
//   auto split = split_rows(dataset, settings);
//   auto trained = train(dataset, *split, settings);
//   trained->held_out.overall.error_rate();

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "predictor/evaluate/evaluation.h"
#include "predictor/model/model.h"
#include "predictor/train/dataset.h"
#include "predictor/train/settings.h"
#include "predictor/train/split.h"

namespace outrider::train {

using OnProgress = std::function<void(std::string_view stage, double fraction)>;

// Rows with known truth, judged by one model.
struct Judged {
  evaluate::Outcomes outcomes;
  evaluate::Segments segments;  // "bedrooms=3" -> places in outcomes.
  evaluate::Segments groups;    // Of the fairness column.
};
// Segments have at most segment_values_max values a column, the most frequent; the rest: "other".
constexpr std::size_t segment_values_max = 20;

// Errors: "unknown_column" when the table lacks a column the model needs.
Result<Judged> judge_rows(const model::Model& model, const Dataset& dataset,
                          const std::vector<std::size_t>& rows, const Settings& settings);

struct Evaluation {
  bool on_training_rows = false;  // There was no hold-out: optimistic, and said so.
  evaluate::Metrics overall;
  std::map<std::string, evaluate::Metrics> segments;
  double design_effect = 1;  // How the errors cluster.
};
Evaluation evaluate(const Judged& judged, bool on_training_rows);

struct Trained {
  model::Model model;
  Split split;
  Evaluation evaluation;
  double condition_number = 1;
  std::vector<std::string> notes;     // Filled, odd, left out.
  std::vector<std::string> warnings;  // Collinear columns, no convergence, fewer rows than columns.
};

// Errors: those of learn_encoding and the fits; "bad_classes" (logistic wants two), "too_large",
// "not_finite".
Result<Trained> train(const Dataset& dataset, const Split& split, const Settings& settings,
                      const OnProgress& on_progress = {});

// The parent's prediction, shifted and scaled to fit the training rows: two parameters, for when
// too few rows are there to learn all anew. The parent's coefficients are the prior.
Result<Trained> recalibrate(const model::Model& parent, const Dataset& dataset, const Split& split,
                            const Settings& settings);

}  // namespace outrider::train
