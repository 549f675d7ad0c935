// SPDX-License-Identifier: Apache-2.0
#include "reference/subject_counter.h"

#include <algorithm>
#include <cmath>

#include "reference/model_reference.h"
#include "reference/row_sample.h"

namespace outrider::reference {

std::optional<std::size_t> SubjectCounter::add(const detectors::Value& value) {
  const auto outcome = subject_.counts.observe(subject_.bins, value);
  if (!outcome.counted) return std::nullopt;
  if (const double number = number_of(value); std::isfinite(number)) note(number);
  return outcome.slot;
}

detectors::FrozenSubject SubjectCounter::finish() {
  if (finite_ > 0) subject_.deviation = std::sqrt(squares_ / static_cast<double>(finite_));
  if (subject_.bins.kind() == detectors::FeatureKind::categorical) {
    subject_.low = subject_.high = subject_.mean = subject_.deviation = 0;
  }
  subject_.hash = subject_hash(subject_.bins, subject_.counts);
  return std::move(subject_);
}

// Welford's update: exact to rounding whatever the mean.
void SubjectCounter::note(double number) {
  ++finite_;
  const double step = number - subject_.mean;
  subject_.mean += step / static_cast<double>(finite_);
  squares_ += step * (number - subject_.mean);
  subject_.low = finite_ == 1 ? number : std::min(subject_.low, number);
  subject_.high = finite_ == 1 ? number : std::max(subject_.high, number);
}

}  // namespace outrider::reference
