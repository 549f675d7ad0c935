// SPDX-License-Identifier: Apache-2.0
#pragma once

// One row's features on the axes of a reference's principal components. Keeps its scratch memory.
// PURE, not thread-safe. O(features x components).

#include <span>
#include <vector>

#include "detectors/reference.h"
#include "detectors/value.h"

namespace outrider::detectors {

class RowProjector {
 public:
  explicit RowProjector(const MultivariateReference* reference);  // Null: there are no components.

  bool has_components() const { return reference_ != nullptr; }
  // Features that are missing, or no numbers, count as missing. z() is of this row then.
  Pca::Scores project(std::span<const Value> features);
  std::span<const double> z() const { return z_; }

 private:
  const MultivariateReference* reference_;
  std::vector<double> row_, z_;
};

}  // namespace outrider::detectors
