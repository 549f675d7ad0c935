// SPDX-License-Identifier: Apache-2.0
#include "truth/correctness.h"

#include <cmath>

#include "base/core/text.h"
#include "detectors/value_reader.h"

namespace outrider::truth {
namespace {

using Reading = detectors::Value;

Reading value_of(const Value& value) {
  if (const double* number = std::get_if<double>(&value)) return Reading::of(*number);
  const std::string_view text = std::get<std::string>(value);
  const Reading read = detectors::read_value(text);
  return read.kind == Reading::Kind::missing ? Reading::of(text) : read;  // A class of that name.
}

// The value where numbers are compared within a tolerance; nothing of a code. There, an integer
// that no double holds may be rounded.
std::optional<double> measured(const Reading& value) {
  if (detectors::has_leading_zero(value.text)) return std::nullopt;
  if (value.kind == Reading::Kind::number) return value.number;
  return parse_double(value.text);
}

std::string class_of(const Reading& value) {
  std::string scratch;
  return std::string(detectors::canonical_text(value, scratch));
}

// The truth's class in the words of the prediction: a boolean where that one is a boolean, else a
// number.
std::string class_like(const Reading& truth, const std::string& predicted) {
  const std::string actual = class_of(truth);
  if (detectors::parse_boolean(predicted)) {
    if (actual == "1") return "true";
    if (actual == "0") return "false";
  } else if (const auto flag = detectors::parse_boolean(actual);
             flag && detectors::parse_exact(predicted)) {
    return *flag ? "1" : "0";
  }
  return actual;
}

}  // namespace

Judgement judge(const Value& prediction, const Value& truth, bool classification,
                const Tolerance& tolerance) {
  Judgement judgement;
  const bool texts =
      std::holds_alternative<std::string>(prediction) && std::holds_alternative<std::string>(truth);
  const Reading predicted = value_of(prediction), actual = value_of(truth);
  const auto said = measured(predicted), meant = measured(actual);
  if (!classification && !texts && said && meant) {
    judgement.is_number = true;
    judgement.prediction = *said;
    judgement.truth = *meant;
    judgement.correct =
        std::abs(*said - *meant) <= tolerance.relative * std::abs(*meant) + tolerance.absolute;
    return judgement;
  }
  judgement.predicted_class = class_of(predicted);
  judgement.actual_class = class_like(actual, judgement.predicted_class);
  judgement.correct = detectors::same_class(predicted, actual);
  return judgement;
}

}  // namespace outrider::truth
