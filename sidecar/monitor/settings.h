// SPDX-License-Identifier: Apache-2.0
#pragma once

// The model configuration: one YAML file that says where the model's inputs and outputs are, when a
// prediction counts as correct, and what is kept. Every key is optional. PURE.
//
//   model:    {name: house-price, version: "header:X-Model-Version"}
//   request:  {match: {method: [GET, POST], path: /predict}, features: [{name, from, kind}]}
//   response: {prediction: "json:/price", score: "json:/probability", kind: regression}
//   truth:    {tolerance: 10%, absolute_tolerance: 0, max_delay: 30d}
//   accuracy: {slack: 1%, false_alarms: 1 per 30d, run_length: 1000000}
//   log:      {max_bytes: 2GiB, keep_features: false}
//   reference: /etc/outrider/references/
//   segments: [bedrooms]
//   sampling: {rate: 100%, streams: observe}
//   limits:   {models: 16, versions: 8, features: 1000, exported_features: 50, series: 20000, ...}

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "sidecar/decode/rules.h"

namespace outrider::monitor {

// A prediction is correct iff |prediction - truth| <= relative x |truth| + absolute, or the classes
// are equal.
struct TruthSettings {
  double tolerance = 0.10;
  double absolute_tolerance = 0;
  Duration max_delay = std::chrono::hours(24 * 30);  // A label later than this is `late`.
};

struct AccuracySettings {
  double slack = 0.01;  // Added to the reference error rate's upper bound; >= its daily swing.
  // At most one false alarm a model in this time; sets the e-detector's A from the label rate.
  Duration false_alarm_every = std::chrono::hours(24 * 30);
  double run_length_min = 1e6;               // Labels; A is never below it.
  std::uint64_t provisional_labels = 2'000;  // Learned from these where a version has no reference.
};

struct LogSettings {
  std::uint64_t bytes_max = std::uint64_t{2} << 30;
  bool keep_features = false;  // Needed for /api/v1/training-data and joined rows with features.
};

// Each limit's turned-away items are counted (outrider_series_dropped_total{limit}).
struct Limits {
  std::size_t models = 16;
  std::size_t versions_per_model = 8;
  std::size_t features = 1'000;        // A version.
  std::size_t exported_features = 50;  // A version's features whose bins are exported.
  std::size_t segments = 20;           // A version; further ones are `other`.
  std::size_t classes = 20;            // A version's confusion matrix; further ones are `other`.
  std::size_t series = 20'000;         // The whole /metrics page.
};

struct Settings {
  decode::Rules rules;
  TruthSettings truth;
  AccuracySettings accuracy;
  LogSettings log;
  Limits limits;
  std::string reference;                    // A file or directory; "" when there is none.
  std::vector<std::string> allowed_models;  // Names taken from traffic; empty: any, up to the cap.
};

// Errors: "bad_config", every mistake at once, one a line "file:line: path: what".
Result<Settings> parse_settings(const std::string& text, const std::string& file);

}  // namespace outrider::monitor
