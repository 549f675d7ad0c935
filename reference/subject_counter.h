// SPDX-License-Identifier: Apache-2.0
#pragma once

// Counts the values of a subject (a feature, the prediction, a component) over its frozen bins,
// with their range and moments. PURE; not thread-safe. add() is O(log bins).
//
//   SubjectCounter counter(FrozenSubject("rooms", bins));
//   for (row : rows) counter.add(row[rooms]);
//   reference.features.push_back(counter.finish());

#include <cstdint>
#include <optional>

#include "detectors/reference.h"
#include "detectors/value.h"

namespace outrider::reference {

class SubjectCounter {
 public:
  explicit SubjectCounter(detectors::FrozenSubject subject) : subject_(std::move(subject)) {}

  // The slot that the value is counted in; none for a wrong type.
  std::optional<std::size_t> add(const detectors::Value& value);

  const detectors::Binning& bins() const { return subject_.bins; }

  detectors::FrozenSubject finish();  // Once.

 private:
  void note(double number);

  detectors::FrozenSubject subject_;
  std::uint64_t finite_ = 0;
  double squares_ = 0;
};

}  // namespace outrider::reference
