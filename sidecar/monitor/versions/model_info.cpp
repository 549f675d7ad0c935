// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/versions/model_info.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <string>

#include "base/core/text.h"
#include "sidecar/tap/counters.h"

namespace outrider::monitor {
namespace {

using config::Yaml;
using config::YamlReader;

constexpr double slack_max = 0.5;      // As accuracy.slack.
constexpr double objective_min = 0.5;  // As alerts/render.py has it.
constexpr double in_flight_max = 100'000;

// Labels by which series are told apart or alerts are routed already: a model that set them would
// name another one, or nobody.
constexpr std::array<std::string_view, 15> taken = {
    "alertname", "cluster",  "container",  "endpoint",      "instance",
    "job",       "le",       "model_name", "model_version", "namespace",
    "pod",       "quantile", "severity",   "signal",        "workload"};

bool is_label_name(std::string_view name) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  if (name.empty() || !is_letter(name.front())) return false;
  return std::all_of(name.begin(), name.end(),
                     [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

void take_label(YamlReader& reader, const Yaml& place, std::string_view name,
                const std::string& value, Labels& labels) {
  if (value.empty() || value.size() > info_label_bytes_max || !is_valid_utf8(value)) {
    reader.mistake(place, "expected a text of 1 to " + std::to_string(info_label_bytes_max) +
                              " bytes of UTF-8");
    return;
  }
  labels.set(name, value);
}

void read_labels(YamlReader& reader, const Yaml& root, Labels& labels) {
  if (const auto owner = reader.text(root, "owner")) {
    take_label(reader, reader.child(root, "owner"), "owner", *owner, labels);
  }
  const Yaml node = reader.child(root, "labels");
  const auto entries = reader.entries(node);
  if (entries.size() > info_labels_max) {
    reader.mistake(node, "expected at most " + std::to_string(info_labels_max) + " labels, got " +
                             std::to_string(entries.size()));
  }
  for (const auto& [name, place] : entries) {
    if (!is_label_name(name) || name.starts_with("__")) {
      reader.mistake(
          place,
          "expected a label's name: letters, digits and '_', no digit first, not two '_' first");
    } else if (name == "owner") {
      reader.mistake(place, "write owner: at the top of the file");
    } else if (std::find(taken.begin(), taken.end(), name) != taken.end()) {
      reader.mistake(place, "this label says already which series it is; choose another name");
    } else if (const auto value = reader.text(node, name)) {
      take_label(reader, place, name, *value, labels);
    }
  }
}

// A share from `low` to below 1; "99%" or 0.99.
std::optional<double> read_share(YamlReader& reader, const Yaml& parent, std::string_view key,
                                 double low) {
  const auto value = reader.number(parent, key);
  if (!value || (*value >= low && *value < 1)) return value;
  reader.mistake(reader.child(parent, key), "expected a share from " + format_double(100 * low) +
                                                "% to below 100%, got " +
                                                format_double(100 * *value) + "%");
  return std::nullopt;
}

std::string plain_seconds(double seconds) {
  return seconds < 1 ? format_double(seconds * 1000) + "ms" : format_double(seconds) + "s";
}

// Requests are counted by buckets: of any other bound nobody could say how many took longer.
void read_latency(YamlReader& reader, const Yaml& objectives, Objectives& found) {
  const Yaml node = reader.child(objectives, "latency");
  if (!node.node.IsDefined()) return;
  reader.only_keys(node, {"within", "ratio"});
  const auto within = reader.duration(node, "within");
  const auto ratio = read_share(reader, node, "ratio", objective_min);
  for (const char* key : {"within", "ratio"}) {
    if (!reader.child(node, key).node.IsDefined()) {
      reader.mistake(node,
                     std::string("'") + key + "' is missing; e.g. {within: 250ms, ratio: 99%}");
    }
  }
  if (!within) return;
  std::string bounds;
  for (const double bound : tap::latency_bounds_usual) {
    if (std::chrono::round<Duration>(std::chrono::duration<double>(bound)) == *within) {
      if (ratio) found.latency = Objectives::Latency{bound, *ratio};
      return;
    }
    bounds += (bounds.empty() ? "" : ", ") + plain_seconds(bound);
  }
  reader.mistake(reader.child(node, "within"),
                 "expected one of the buckets that requests are counted by, " + bounds + "; got " +
                     plain_seconds(to_seconds(*within)));
}

void read_saturation(YamlReader& reader, const Yaml& objectives, Objectives& found) {
  const Yaml node = reader.child(objectives, "saturation");
  if (!node.node.IsDefined()) return;
  reader.only_keys(node, {"in_flight", "wanted"});
  const auto in_flight = reader.number(node, "in_flight");
  const auto wanted = reader.number(node, "wanted");
  if (!reader.child(node, "in_flight").node.IsDefined()) {
    reader.mistake(node, "'in_flight' is missing; e.g. {in_flight: 20, wanted: 10}");
  }
  if (!in_flight) return;
  if (!(*in_flight > 0 && *in_flight <= in_flight_max)) {
    reader.mistake(
        reader.child(node, "in_flight"),
        "expected more than 0 and at most " + format_double(in_flight_max) + " requests a pod");
    return;
  }
  const double aim = wanted.value_or(*in_flight / 2);
  if (!(aim > 0 && aim <= *in_flight)) {
    reader.mistake(reader.child(node, "wanted"),
                   "expected more than 0 and at most in_flight, " + format_double(*in_flight));
    return;
  }
  found.saturation = Objectives::Saturation{*in_flight, aim};
}

void read_slack(YamlReader& reader, const Yaml& root, const Yaml& objectives, Objectives& found) {
  const Yaml node = reader.child(objectives, "accuracy");
  reader.only_keys(node, {"slack"});
  const auto slack = reader.number(node, "slack");
  if (!slack) return;
  if (reader.child(reader.child(root, "accuracy"), "slack").node.IsDefined()) {
    reader.mistake(reader.child(node, "slack"),
                   "accuracy.slack says this already; keep one of the two");
  } else if (!(*slack >= 0 && *slack <= slack_max)) {
    reader.mistake(reader.child(node, "slack"),
                   "expected 0 to " + format_double(slack_max) + ", got " + format_double(*slack));
  } else {
    found.accuracy_slack = *slack;
  }
}

}  // namespace

void read_model_info(YamlReader& reader, const Yaml& root, ModelInfo& info) {
  read_labels(reader, root, info.labels);
  const Yaml objectives = reader.child(root, "objectives");
  reader.only_keys(objectives, {"availability", "latency", "saturation", "accuracy"});
  info.objectives.availability = read_share(reader, objectives, "availability", objective_min);
  read_latency(reader, objectives, info.objectives);
  read_saturation(reader, objectives, info.objectives);
  read_slack(reader, root, objectives, info.objectives);
}

}  // namespace outrider::monitor
