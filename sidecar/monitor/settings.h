// SPDX-License-Identifier: Apache-2.0
#pragma once

// The model configuration: one YAML file that says where the model's inputs and outputs are, when a
// prediction counts as correct, and what is kept. Every key is optional. PURE.
//
//   model:    {name: house-price, version: "header:X-Model-Version", allow: [house-price]}
//   request:
//     match: {method: [GET, POST], path: [/predict, "/v1/models/*"]}     # '*' is any run of characters
//     features: [{name: size, from: "query:size", kind: numeric}]
//   response: {prediction: "json:/price", score: "json:/probability", kind: regression,
//              threshold: 0.5, classes: ["no", "yes"], streams: observe | skip}
//   truth:    {tolerance: 10%, absolute_tolerance: 0, max_delay: 30d}
//   accuracy: {slack: 1%, false_alarms: 1 per 30d, run_length: 1000000, provisional_labels: 2000}
//   log:      {max_bytes: 2GiB, keep_features: false}
//   sampling: {rate: 100%}
//   reference: /etc/outrider/references/          # one a model version
//   segments: [bedrooms]
//   owner: risk, labels: {…}, objectives: {…}     # model_info.h
//   limits:   {models: 16, versions: 8, features: 1000, exported_features: 50, segments: 20,
//              classes: 20, series: 20000, rows: 10000, body: 1MiB, unpacked: 64MiB}

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "sidecar/decode/rules.h"
#include "sidecar/monitor/model_info.h"

namespace outrider::monitor {

// A prediction is correct iff |prediction - truth| <= relative x |truth| + absolute, or the classes
// are equal. What is not set here is the version's reference's, else 10 % and 0.
struct TruthSettings {
  std::optional<double> tolerance;
  std::optional<double> absolute_tolerance;
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
  bool keep_features = false;  // Needed for /api/v1/training-data.
};

// What each limit turns away is counted in outrider_series_dropped_total{limit}.
struct Limits {
  std::size_t models = 16;             // Further ones go by the name `other`.
  std::size_t versions = 8;            // Of a model; the longest idle one makes room, else `other`.
  std::size_t features = 1'000;        // Of a version; further ones are not watched.
  std::size_t exported_features = 50;  // Of a version: bins are exported of the first so many.
  std::size_t segments = 20;           // Of a version; further ones are `other`.
  std::size_t classes = 20;            // Of a version's confusion matrix; further ones are `other`.
  std::size_t series = 20'000;         // Of the monitor's part of /metrics.
  std::uint64_t body_bytes = 1 << 20;  // Of a captured body; longer ones are dropped: too_large.
};

struct Settings {
  decode::Rules rules;
  TruthSettings truth;
  AccuracySettings accuracy;
  ModelInfo info;
  LogSettings log;
  Limits limits;
  std::string reference;                    // A file or folder; "" when there is none.
  std::vector<std::string> allowed_models;  // Names taken from traffic; empty: any, up to the cap.

  // The configured name where it is a literal, else "unknown".
  std::string_view default_model() const {
    return rules.model_name.kind == decode::Place::Kind::literal ? rules.model_name.text
                                                                 : std::string_view("unknown");
  }
  std::string_view default_version() const {
    return rules.model_version.kind == decode::Place::Kind::literal
               ? std::string_view(rules.model_version.text)
               : std::string_view("unknown");
  }
};

// Errors: "bad_config", every mistake at once, one a line "file:line: path: what".
Result<Settings> parse_settings(const std::string& text, const std::string& file);

}  // namespace outrider::monitor
