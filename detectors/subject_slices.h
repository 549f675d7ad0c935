// SPDX-License-Identifier: Apache-2.0
#pragma once

// The slices of a feature that its reference declares beforehand: its categories with `other`, or
// its bins joined to tenths of the reference; and a slice each for missing, nan and infinite
// values. PURE, immutable.
//
//   SubjectSlices slices(frozen);       // Outlived by `frozen`.
//   slices.of(Value::of(3.5))           // 4, of slices.texts(): "(3, 4.25]"
//
// A bin goes to the tenth that the middle of its share lies in, whole, so that a row has one slice;
// a feature with a bin of more than a tenth has fewer slices. O(bins) to make, as
// Binning::classify() to ask. No errors.

#include <string>
#include <vector>

#include "detectors/binning.h"

namespace outrider::detectors {

class SubjectSlices {
 public:
  static constexpr std::size_t tenths = 10;
  static constexpr std::size_t none = SIZE_MAX;  // A value of a wrong type.

  explicit SubjectSlices(const FrozenSubject& subject);

  std::size_t of(const Value& value) const;
  const std::vector<std::string>& texts() const { return texts_; }

 private:
  const FrozenSubject& subject_;
  std::vector<std::size_t> slice_of_slot_;
  std::vector<std::string> texts_;
};

}  // namespace outrider::detectors
