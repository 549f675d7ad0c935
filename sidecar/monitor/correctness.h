// SPDX-License-Identifier: Apache-2.0
#pragma once

// When is a prediction correct? PURE.
//
// Classes: when they are equal; numbers and texts that write the same number are the same class.
// Numbers: when |prediction - truth| <= relative x |truth| + absolute. NaN is never correct.

#include <optional>
#include <string>

#include "sidecar/labels/prediction.h"

namespace outrider::monitor {

struct Tolerance {
  double relative = 0.10;
  double absolute = 0;
};

struct Judgement {
  bool correct = false;
  bool is_number = false;  // A regression: the values below hold.
  double prediction = 0;
  double truth = 0;
  // A classification: the classes as texts.
  std::string predicted_class, actual_class;
};

// `classification`: numbers are classes too. A number and a text are compared as numbers where the text
// is one (and numbers are no classes), else as classes.
Judgement judge(const labels::Value& prediction, const labels::Value& truth, bool classification,
                const Tolerance& tolerance);

}  // namespace outrider::monitor
