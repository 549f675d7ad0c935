// SPDX-License-Identifier: Apache-2.0
#pragma once

// When is a prediction correct? PURE.
//
// Classes: when they are one class (detectors/value_reader.h): 1, 1.0, "1", "1.0" and, where the
// other one is a boolean, true; "01" is another one. Numbers: when |prediction - truth| <= relative
// x |truth| + absolute. NaN is never correct.

#include <optional>
#include <string>

#include "truth/prediction.h"

namespace outrider::truth {

struct Tolerance {
  double relative = 0.10;
  double absolute = 0;
  bool operator==(const Tolerance&) const = default;
};

// How the labels of a model version are judged.
struct JudgeRule {
  bool classification = false;
  Tolerance tolerance;
  bool operator==(const JudgeRule&) const = default;
};

struct Judgement {
  bool correct = false;
  bool is_number = false;  // A regression: the values below hold.
  double prediction = 0;
  double truth = 0;
  // A classification: the classes as texts, the truth spelled as the prediction is: one class has
  // one name.
  std::string predicted_class, actual_class;
};

// `classification`: numbers are classes too. Else a number and a text are compared as numbers where
// the text is one without leading zeros, and in all other cases as classes.
Judgement judge(const Value& prediction, const Value& truth, bool classification,
                const Tolerance& tolerance);

}  // namespace outrider::truth
