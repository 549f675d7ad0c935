// SPDX-License-Identifier: Apache-2.0
#pragma once

// How good a model was on rows whose truth is known: overall, by segment, and how its errors
// cluster. PURE.
//
//   Outcomes outcomes = judge(model, rows, truths, {.relative = 0.1});
//   Metrics all = measure(outcomes, outcomes.all_rows());

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "predictor/model/model.h"

namespace outrider::evaluate {

// A prediction is correct iff |prediction - truth| <= max(relative · |truth|, absolute). Classes:
// equal.
struct Tolerance {
  double relative = 0.10;
  double absolute = 0;
};

// One entry a row, in the order of the rows (time, where the split is by time).
struct Outcomes {
  bool classes = false;
  std::vector<double> truth;        // Classes: 0 or 1.
  std::vector<double> predicted;    // Classes: 0 or 1.
  std::vector<double> probability;  // Classes: of class 1; otherwise empty.
  std::vector<char> wrong;          // 1: beyond the tolerance.

  std::size_t rows() const { return truth.size(); }
  std::vector<std::size_t> all_rows() const;
};

Outcomes judge(const model::Model& model, const std::vector<model::Cells>& rows,
               const std::vector<double>& truths, const Tolerance& tolerance);

struct Metrics {
  std::size_t rows = 0;
  std::size_t wrong = 0;
  double mae = 0, rmse = 0, r2 = 0, bias = 0;  // Regression. bias = mean(prediction - truth).
  double precision = 0, recall = 0, f1 = 0, log_loss = 0, auc = 0;  // Classes, of class 1.

  double error_rate() const {
    return rows == 0 ? 0 : static_cast<double>(wrong) / static_cast<double>(rows);
  }
  double accuracy() const { return 1 - error_rate(); }
};

// Over the named rows; O(rows), for classes O(rows log rows).
Metrics measure(const Outcomes& outcomes, const std::vector<std::size_t>& rows);

// Rows by segment: "bedrooms=3" -> indices.
using Segments = std::map<std::string, std::vector<std::size_t>>;

// How much errors cluster, as the e-detector needs it (detectors/e_detector.h): at least 1; 1 when
// there are too few rows to tell.
double design_effect(const std::vector<char>& wrong);

}  // namespace outrider::evaluate
