// SPDX-License-Identifier: Apache-2.0
#include "agent/series/anomaly.h"

#include <array>

#include "base/wire/exposition.h"

namespace outrider::series {
namespace {

// Not "container": the incident book takes it for a replica's name.
constexpr std::array<std::string_view, 9> owners = {"app",       "cluster",    "deployment",
                                                    "job",       "model_name", "model_version",
                                                    "namespace", "service",    "workload"};

}  // namespace

std::string series_text(const Labels& labels, std::string_view quantity) {
  Labels rest = labels;
  rest.set("__name__", "");
  std::string text(quantity);
  if (!text.empty()) text += " of ";
  text += labels.get("__name__");
  const wire::SeriesKey key(std::move(rest));
  return key.text().empty() ? text : text + "{" + std::string(key.text()) + "}";
}

Labels owner_labels(const Labels& labels) {
  Labels kept;
  for (const std::string_view name : owners) kept.set(name, labels.get(name));
  return kept;
}

}  // namespace outrider::series
