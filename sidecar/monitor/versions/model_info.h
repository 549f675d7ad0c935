// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a model's configuration says of it for people and for the rules: whose it is, and what it
// promises. PURE.
//
//   owner: risk                                    # alerts, incidents and tickets carry it
//   labels: {team: core, tier: gold}
//   objectives:
//     availability: 99.9%
//     latency: {within: 250ms, ratio: 99%}         # `within` is a bucket of outrider_request_duration_seconds
//     saturation: {in_flight: 20, wanted: 10}      # requests under way a pod; `wanted` is half unless said
//     accuracy: {slack: 2%}                        # or accuracy.slack, which is the same
//
// All of it is exported; what is not said here, the rules know (alerts/parameters.yaml).

#include <optional>

#include "base/config/yaml.h"
#include "base/core/series.h"

namespace outrider::monitor {

struct Objectives {
  struct Latency {
    double seconds = 0;  // One of tap::latency_bounds_usual, so that it can be counted exactly.
    double ratio = 0;    // Of the requests, that take at most so long.
    bool operator==(const Latency&) const = default;
  };
  struct Saturation {
    double in_flight = 0, wanted = 0;  // Requests a pod.
    bool operator==(const Saturation&) const = default;
  };
  std::optional<double> availability;  // Share of requests answered, and not by a server error.
  std::optional<Latency> latency;
  std::optional<Saturation> saturation;
  std::optional<double> accuracy_slack;  // How much worse than promised is still as promised.
  bool operator==(const Objectives&) const = default;
};

struct ModelInfo {
  Labels labels;  // Of outrider_model_info, besides model_name: `owner` and those of `labels`.
  Objectives objectives;
};

inline constexpr std::size_t info_labels_max = 10;
inline constexpr std::size_t info_label_bytes_max = 200;  // Of a value.

// Reads `owner`, `labels` and `objectives`. Mistakes go to the reader, among them labels that
// Prometheus or the rules give another meaning, and a slack that stands in `accuracy` as well.
void read_model_info(config::YamlReader& reader, const config::Yaml& root, ModelInfo& info);

}  // namespace outrider::monitor
