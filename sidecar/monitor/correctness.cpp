// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/correctness.h"

#include <cmath>

#include "base/core/text.h"

namespace outrider::monitor {
namespace {

std::optional<double> as_number(const labels::Value& value) {
  if (const double* number = std::get_if<double>(&value)) return *number;
  return parse_double(std::get<std::string>(value));
}

// "1.0", "1" and 1 are one class.
std::string as_class(const labels::Value& value) {
  if (const auto number = as_number(value)) return format_double(*number);
  return std::get<std::string>(value);
}

}  // namespace

Judgement judge(const labels::Value& prediction, const labels::Value& truth, bool classification,
                const Tolerance& tolerance) {
  Judgement judgement;
  const bool texts =
      std::holds_alternative<std::string>(prediction) && std::holds_alternative<std::string>(truth);
  if (!classification && !texts) {
    const auto predicted = as_number(prediction);
    const auto actual = as_number(truth);
    if (predicted && actual) {
      judgement.is_number = true;
      judgement.prediction = *predicted;
      judgement.truth = *actual;
      judgement.correct = std::abs(*predicted - *actual) <=
                          tolerance.relative * std::abs(*actual) + tolerance.absolute;
      return judgement;
    }
  }
  // Two texts are compared as they are: "01" and "1" may be two postal codes.
  judgement.predicted_class = texts ? std::get<std::string>(prediction) : as_class(prediction);
  judgement.actual_class = texts ? std::get<std::string>(truth) : as_class(truth);
  judgement.correct = judgement.predicted_class == judgement.actual_class;
  return judgement;
}

}  // namespace outrider::monitor
