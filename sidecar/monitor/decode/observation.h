// SPDX-License-Identifier: Apache-2.0
#pragma once

// Observation: what decode made of an exchange: prediction id, model name and version, time, and a
// row for each prediction in it, with its FeatureVector and Prediction. All of it is views: into
// the exchange's bytes, the decoder's buffers and its table of feature names. They are valid until
// the decoder's next call.

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "detectors/value.h"

namespace outrider::decode {

// One value of one feature: missing, a number or a text (see detectors/value.h). NaN and infinities
// are numbers here; the monitor judges them.
using FeatureValue = detectors::Value;
using ValueKind = detectors::Value::Kind;

// A value as a category: numbers in their shortest form, so that 3, 3.0 and "3" are the same one.
// `scratch` holds the text where one has to be made. Missing is "".
std::string_view as_category(const FeatureValue& value, std::string& scratch);

// The names of a request's features, in its order. The decoder keeps one object a distinct list, so
// that readers can cache what they know about it: by `serial`, which is never used twice.
struct FeatureNames {
  std::uint64_t serial = 0;
  // The traffic names no feature, only their order ("x0", "x1", …): a reader that knows the model's
  // features, and finds as many, takes them by position.
  bool positional = false;
  // No name holds a quote or a backslash: each stands in JSON as it is.
  bool plain = true;
  std::vector<std::string> names;
};

struct Prediction {
  FeatureValue value;  // A number (regression), or a class.
  // The model's probability: of the class it predicts where it answers classes, else of the
  // positive class. NaN when unknown.
  double score = std::numeric_limits<double>::quiet_NaN();
};

struct Row {
  std::span<const FeatureValue> features;  // As many as there are names.
  Prediction prediction;
  std::string_view segment;  // "bedrooms=3", of the configured segment features; "" without any.
  std::string_view
      key;  // Where the configured key differs from row to row: this one's; "" where it has none.
  bool failed = false;  // The model gave this row no prediction (null, NaN, an error): a failure.
};

// What became of the configured keys (Rules::key) of an observation's rows.
struct KeyCounts {
  std::uint32_t found = 0;
  std::uint32_t missing = 0;   // A part is not there, null, or says that it is missing.
  std::uint32_t unusable = 0;  // A part is there and names nothing: a list, true, too long, …
};

struct Observation {
  std::string_view id;             // The prediction id; row i of several is "{id}_{i}".
  Time time{};                     // When the request came.
  std::string_view model_name;     // "unknown" when neither traffic nor configuration says.
  std::string_view model_version;  // "unknown" likewise.
  std::span<const std::string_view> aliases;  // The caller's own ids; unique, not empty.
  std::string_view
      key;  // The configured key of the request, all rows together; "" where there is none.
  KeyCounts keys;
  std::string_view key_words;  // Why the last row without a key has none; "" where all have one.
  const FeatureNames* names = nullptr;  // Null when there is no feature.
  std::span<const Row> rows;
  bool model_failed =
      false;             // The model answered 4xx or 5xx, or not at all: a failure, without rows.
  bool refused = false;  // Of a failure: it answered 4xx, as for a model that it does not have.
};

}  // namespace outrider::decode
