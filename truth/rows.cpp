// SPDX-License-Identifier: Apache-2.0
#include "truth/rows.h"

#include <cmath>

namespace outrider::truth {

JoinedRow row_of(StoredPrediction&& prediction) {
  JoinedRow row;
  row.id = format_key(prediction.key, prediction.rows);
  row.predicted = prediction.time;
  row.model_name = std::move(prediction.model_name);
  row.model_version = std::move(prediction.model_version);
  row.prediction = std::move(prediction.prediction);
  row.score = prediction.score;
  row.segment = std::move(prediction.segment);
  row.features = std::move(prediction.features);
  return row;
}

wire::Json to_json(double number) {
  return std::isfinite(number) ? wire::Json(number) : wire::Json();
}

wire::Json to_json(const Value& value) {
  if (const double* number = std::get_if<double>(&value)) return to_json(*number);
  return std::get<std::string>(value);
}

wire::Json to_json(const FeatureValue& value) {
  if (const double* number = std::get_if<double>(&value)) return to_json(*number);
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return nullptr;
}

}  // namespace outrider::truth
