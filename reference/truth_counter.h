// SPDX-License-Identifier: Apache-2.0
#pragma once

// How often the predictions of a table were right, and how its scores are calibrated, where it has
// a column of the truth. PURE; not thread-safe. Memory: `scores_max` scores.
//
//   TruthCounter truth({.classification = true, …});
//   for (row : rows) truth.add(row[target], &row[prediction], &row[score]);
//   truth.errors().labels(); truth.calibration();

#include <optional>
#include <string>
#include <vector>

#include "detectors/cbpe.h"
#include "detectors/e_detector.h"
#include "detectors/value.h"

namespace outrider::reference {

class TruthCounter {
 public:
  struct Settings {
    bool classification = false;
    double tolerance = 0;           // Of a regression: right within this share of the truth …
    double absolute_tolerance = 0;  // … plus this.
    std::string positive;           // What a score is about; "": the class that was predicted.
    std::size_t scores_max = 0;
  };
  explicit TruthCounter(Settings settings) : settings_(std::move(settings)) {}

  // Of one row; null: the table has no such column.
  void add(const detectors::Value& truth, const detectors::Value* prediction,
           const detectors::Value* score);

  const detectors::ErrorReferenceEstimator& errors() const { return errors_; }
  // Nothing where there are too few scores.
  std::optional<detectors::Calibration> calibration() const;

 private:
  bool right(const detectors::Value& prediction, const detectors::Value& truth) const;

  Settings settings_;
  detectors::ErrorReferenceEstimator errors_;
  std::vector<double> scores_;
  std::vector<bool> hits_;
};

}  // namespace outrider::reference
