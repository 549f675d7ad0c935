// SPDX-License-Identifier: Apache-2.0
#pragma once

// The model configuration: one YAML file that says where the model's inputs and outputs are, when a
// prediction counts as correct, and what is kept. Every key is optional. PURE.
//
//   model:    {name: house-price, version: "header:X-Model-Version", allow: [house-price]}
//   request:
//     match: {method: [GET, POST], path: [/predict, "/v1/models/*"]}     # '*' is any run of characters
//     id: "json:/order_id"                        # or a list of parts: decode/key_reader.h
//     features: [{name: size, from: "query:size", kind: numeric}]
//   response: {prediction: "json:/price", score: "json:/probability", kind: regression,
//              threshold: 0.5, classes: ["no", "yes"], streams: observe | skip}
//   truth:    {tolerance: 10%, absolute_tolerance: 0, max_delay: 30d, early: 10m}
//   accuracy: {slack: 1%, false_alarms: 1 per 30d, run_length: 1000000, provisional_labels: 2000}
//   log:      {max_bytes: 2GiB, keep_features: false, ship_features: [size, bedrooms]}
//   sampling: {rate: 100%}
//   reference: /etc/outrider/references/          # one a model version
//   segments: [bedrooms]
//   owner: risk, labels: {…}, objectives: {…}     # model_info.h
//   metrics:  {bins: deciles | all, tests: psi | all}
//   limits:   {models: 16, versions: 8, features: 1000, exported_features: 50, segments: 20,
//              classes: 20, series: 20000, learning: 192MiB, rows: 10000, body: 1MiB, unpacked:
//              16MiB}
//   models:                                       # a server of several: what one has of its own
//     fraud: {version: "1", request: {features: …}, response: {kind: classification}, truth: {…},
//             accuracy: {…}, reference: fraud.json, segments: []}

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "sidecar/monitor/decode/rules.h"
#include "sidecar/monitor/versions/model_info.h"

namespace outrider::monitor {

// The name of what has no own: models and versions past their limits, or never answered. A mixture,
// so it is counted and not judged.
inline constexpr std::string_view other_name = "other";

// A prediction is correct iff |prediction - truth| <= relative x |truth| + absolute, or the classes
// are equal. What is not set here is the version's reference's, else 10 % and 0.
struct TruthSettings {
  std::optional<double> tolerance;
  std::optional<double> absolute_tolerance;
  Duration max_delay = std::chrono::hours(24 * 30);  // A label later than this is `late`.
  Duration early =
      std::chrono::minutes(10);  // So long a label waits for its prediction; at most max_delay.
  double sample = 1;  // Share of the predictions that are kept for their labels; truth/sample.h.
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
  // Of shipped predictions: no other feature leaves the pod.
  std::vector<std::string> shipped_features;
};

// What each limit turns away is counted in outrider_series_dropped_total{limit}.
struct Limits {
  std::size_t models = 16;       // Of names taken from traffic alone; further ones are `other`.
  std::size_t versions = 8;      // Of a model; the longest idle one makes room, else `other`.
  std::size_t features = 1'000;  // Of a version; further ones are not watched.
  std::size_t exported_features = 50;  // Of a version: bins are exported of the first so many.
  std::size_t segments = 20;           // Of a version; further ones are `other`.
  std::size_t classes = 20;            // Of a version's confusion matrix; further ones are `other`.
  // Of the monitor's part of /metrics. Where the file does not say, at least 1 000 an entry of
  // `models`.
  std::size_t series = 20'000;
  // Of the first predictions of all versions without a reference, until there are enough to learn
  // one from.
  std::uint64_t learning_bytes = 192 << 20;
  std::uint64_t body_bytes = 1 << 20;  // Of a captured body; longer ones are dropped: too_large.
};

// What /metrics says of inputs beyond what rules and dashboards read; one model of 50 features is
// at most 1 200 series a pod without.
struct MetricsSettings {
  bool all_bins = false;   // The reference's own bins and their shares, instead of deciles.
  bool all_tests = false;  // Every distance and its threshold, not the PSI alone.
};

// What one model of several may have of its own. What its entry does not say is the top level's.
struct ModelSettings {
  decode::Rules rules;
  TruthSettings truth;
  AccuracySettings accuracy;
  std::string reference;  // A file or folder; "" when there is none, in an entry: none of its own.

  // The configured version where it is a literal, else "unknown".
  std::string_view default_version() const {
    return rules.model_version.kind == decode::Place::Kind::literal
               ? std::string_view(rules.model_version.text)
               : std::string_view("unknown");
  }
};

// The top level, which holds for every model without an entry, and the entries.
struct ModelConfig : ModelSettings {
  std::string descriptors;  // request.proto: a file of descriptors; its reader fills rules.schemas.
  ModelInfo info;           // Owner, labels and objectives, of all models here.
  LogSettings log;
  MetricsSettings metrics;
  Limits limits;
  std::vector<std::string> allowed_models;  // Names taken from traffic; empty: any, up to the cap.
  std::map<std::string, ModelSettings, std::less<>> models;

  static constexpr std::size_t models_max = 1'000;  // Entries.

  // The model's own settings, else the top level's. Valid until the settings change.
  const ModelSettings& of(std::string_view model) const {
    const auto own = models.find(model);
    return own == models.end() ? *this : own->second;
  }
  // The configured name where it is a literal, else "unknown".
  std::string_view default_model() const {
    return rules.model_name.kind == decode::Place::Kind::literal ? rules.model_name.text
                                                                 : std::string_view("unknown");
  }
};

// Errors: "bad_config", every mistake at once, one a line "file:line: path: what".
Result<ModelConfig> parse_model_config(const std::string& text, const std::string& file);

// What is no mistake, but will disappoint: a sentence each, for the log of a start or reload.
std::vector<std::string> warnings(const ModelConfig& settings);

}  // namespace outrider::monitor
