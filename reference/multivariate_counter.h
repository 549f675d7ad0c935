// SPDX-License-Identifier: Apache-2.0
#pragma once

// The joint distribution of a table's numeric features: PCA and tails from a sample of its rows,
// counts of the scores from every row (detectors/pca.h, detectors/tail_score.h). PURE; not
// thread-safe. Time: O(sample x columns^2) once, O(k columns) a row, k <= 32 components.
//
//   MultivariateCounter joint(sample, numeric, bins);
//   for (row : rows) joint.count(row);
//   statistics.multivariate = joint.finish();

#include <optional>
#include <span>
#include <vector>

#include "detectors/reference.h"
#include "detectors/value.h"
#include "reference/row_sample.h"
#include "reference/subject_counter.h"

namespace outrider::reference {

class MultivariateCounter {
 public:
  // A numeric feature: its place among the features, and its column.
  struct Feature {
    std::size_t place = 0;
    std::size_t column = 0;
  };

  // Counts nothing where nothing varies.
  MultivariateCounter(const RowSample& sample, std::vector<Feature> features, std::size_t bins);

  // What is counted: z0, z1, …, t2, q. Empty where nothing varies.
  const std::vector<SubjectCounter>& subjects() const { return subjects_; }

  // The slot of each subject, valid until the next call.
  std::span<const std::optional<std::size_t>> count(std::span<const detectors::Value> row);

  std::optional<detectors::MultivariateReference> finish();  // Once.

 private:
  void load(const RowSample& sample, std::size_t row);
  bool fit(const RowSample& sample);
  void freeze(const RowSample& sample, std::size_t bins);

  std::vector<Feature> features_;
  std::optional<detectors::Pca> pca_;
  detectors::TailTable tails_;
  detectors::ConformalHistogram anomaly_;
  std::vector<SubjectCounter> subjects_;
  std::vector<double> row_, z_;
  std::vector<std::optional<std::size_t>> slots_;
};

}  // namespace outrider::reference
