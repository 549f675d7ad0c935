// SPDX-License-Identifier: Apache-2.0
#pragma once

// Observation: what decode made of one row of an exchange: prediction id, model name and version,
// FeatureVector, Prediction, time. All of it is views: into the exchange's bytes, the decoder's
// buffers and its table of feature names. They are valid until the decoder's next call.
//
// One exchange with n rows gives n observations that share everything but id, aliases, features,
// prediction and segment.

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"

namespace outrider::decode {

enum class ValueKind : std::uint8_t { missing, number, category };

// One value of one feature.
struct FeatureValue {
  ValueKind kind = ValueKind::missing;
  double number = 0;      // Of a number; NaN and infinities are numbers here, judged by the monitor.
  std::string_view text;  // Of a category: itself. Of a number that came as text ("01234"): as written.

  static FeatureValue of(double number) { return {ValueKind::number, number, {}}; }
  static FeatureValue of(std::string_view category) { return {ValueKind::category, 0, category}; }
};

// A value as a category: numbers in their shortest form, so that 3, 3.0 and "3" are the same one.
// `scratch` holds the text where one has to be made. Missing is "".
std::string_view as_category(const FeatureValue& value, std::string& scratch);

// The names of a request's features, in its order. The decoder keeps one object a distinct list, so
// that readers can cache what they know about it: by `serial`, which is never used twice.
struct FeatureNames {
  std::uint64_t serial = 0;
  std::vector<std::string> names;
};

struct FeatureVector {
  const FeatureNames* names = nullptr;   // Null when there is no feature.
  std::span<const FeatureValue> values;  // As many as there are names.
};

struct Prediction {
  ValueKind kind = ValueKind::missing;  // A number (regression), or a class.
  double number = 0;
  std::string_view category;
  // The model's probability of the class it predicts (binary models that answer only the positive
  // class's probability: of the positive class, see Rules::positive_class). NaN when unknown.
  double score = std::numeric_limits<double>::quiet_NaN();
};

struct Observation {
  std::string_view id;  // The prediction id; "{id}_{row}" when the exchange has several rows.
  Time time{};          // When the request came.
  std::string_view model_name;     // "unknown" when neither traffic nor configuration says.
  std::string_view model_version;  // "unknown" likewise.
  std::string_view segment;  // "bedrooms=3", of the configured segment features; "" without any.
  std::span<const std::string_view> aliases;  // The caller's own ids for this row; several may be.
  FeatureVector features;
  Prediction prediction;
};

// What one exchange came to: its rows; or a failure of the model, which has none.
struct Observations {
  bool model_failed = false;  // The model answered 4xx or 5xx, or not at all: `failure`, not decoded.
  std::string_view model_name;
  std::string_view model_version;
  Time time{};
  std::span<const Observation> rows;
};

}  // namespace outrider::decode
