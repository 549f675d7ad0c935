// SPDX-License-Identifier: Apache-2.0
#include "reference/truth_counter.h"

#include <cmath>

#include "detectors/value_reader.h"
#include "reference/row_sample.h"

namespace outrider::reference {

using detectors::Value;

bool TruthCounter::right(const Value& prediction, const Value& truth) const {
  if (settings_.classification) return detectors::same_class(prediction, truth);
  const double said = number_of(prediction), true_number = number_of(truth);
  const double bound = settings_.tolerance * std::abs(true_number) + settings_.absolute_tolerance;
  return std::abs(said - true_number) <= bound;  // Of a text: NaN, and wrong.
}

void TruthCounter::add(const Value& truth, const Value* prediction, const Value* score) {
  if (truth.kind == Value::Kind::missing) return;
  const bool predicted = prediction != nullptr && prediction->kind != Value::Kind::missing;
  if (predicted) errors_.add(!right(*prediction, truth));
  if (score == nullptr || scores_.size() >= settings_.scores_max) return;
  const double number = number_of(*score);
  if (!(number >= 0 && number <= 1)) return;
  if (!settings_.positive.empty()) {
    scores_.push_back(number);
    hits_.push_back(detectors::same_class(truth, detectors::read_value(settings_.positive)));
  } else if (predicted) {
    scores_.push_back(number);
    hits_.push_back(detectors::same_class(*prediction, truth));
  }
}

std::optional<detectors::Calibration> TruthCounter::calibration() const {
  if (scores_.empty()) return std::nullopt;
  auto fitted = detectors::Calibration::fit(settings_.positive.empty()
                                                ? detectors::Calibration::Kind::confidence
                                                : detectors::Calibration::Kind::binary,
                                            scores_, hits_);
  if (!fitted) return std::nullopt;
  return std::move(*fitted);
}

}  // namespace outrider::reference
