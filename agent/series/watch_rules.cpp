// SPDX-License-Identifier: Apache-2.0
#include "agent/series/watch_rules.h"

#include <algorithm>

namespace outrider::series {
namespace {

std::string_view value_of(std::span<const LabelView> labels, std::string_view name) {
  const auto found = std::find_if(labels.begin(), labels.end(),
                                  [&](const LabelView& label) { return label.name == name; });
  return found == labels.end() ? std::string_view() : found->value;
}

As by_name(std::string_view metric, bool has_bound) {
  if (metric.ends_with("_bucket") && has_bound) return As::histogram;
  for (const std::string_view suffix : {"_total", "_count", "_sum", "_bucket"}) {
    if (metric.ends_with(suffix)) return As::counter;
  }
  return metric.ends_with("_created") || metric.ends_with("_info") ? As::ignore : As::gauge;
}

As automatic(std::span<const LabelView> labels, MetricKind kind) {
  const std::string_view metric = value_of(labels, "__name__");
  const bool has_bound = !value_of(labels, "le").empty();
  switch (kind) {
    case MetricKind::counter:
      return metric.ends_with("_created") ? As::ignore : As::counter;
    case MetricKind::gauge:
      return As::gauge;
    case MetricKind::info:
    case MetricKind::stateset:
      return As::ignore;
    case MetricKind::gauge_histogram:
      return As::ignore;  // Its buckets are no counters.
    case MetricKind::histogram:
    case MetricKind::summary:
    case MetricKind::unknown:
      return by_name(metric, has_bound);
  }
  return As::ignore;
}

}  // namespace

bool is_own_metric(std::string_view metric) {
  for (const std::string_view prefix :
       {"outrider_anomaly_", "outrider_anomalies_", "outrider_agent_", "outrider_series_",
        "outrider_ingest_"}) {
    if (metric.starts_with(prefix)) return true;
  }
  return false;
}

WatchRules WatchRules::everything() {
  return {{{Selector::parse("{__name__!=\"\"}").value(), As::automatic}}};
}

As WatchRules::judge(std::span<const LabelView> labels, MetricKind kind) const {
  if (is_own_metric(value_of(labels, "__name__"))) return As::ignore;
  for (const WatchRule& rule : rules) {
    if (!rule.match.matches(labels)) continue;
    return rule.as == As::automatic ? automatic(labels, kind) : rule.as;
  }
  return As::ignore;
}

}  // namespace outrider::series
