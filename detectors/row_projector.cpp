// SPDX-License-Identifier: Apache-2.0
#include "detectors/row_projector.h"

#include <limits>

#include "detectors/value_reader.h"

namespace outrider::detectors {

RowProjector::RowProjector(const MultivariateReference* reference) : reference_(reference) {
  if (!reference) return;
  row_.resize(reference->features.size());
  z_.resize(reference->pca.components());
}

Pca::Scores RowProjector::project(std::span<const Value> features) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  for (std::size_t i = 0; i < row_.size(); ++i) {
    const std::size_t feature = reference_->features[i];
    row_[i] = feature < features.size() ? as_number(features[feature]).value_or(nan) : nan;
  }
  return reference_->pca.project(row_, z_);
}

}  // namespace outrider::detectors
