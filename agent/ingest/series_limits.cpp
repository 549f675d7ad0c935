// SPDX-License-Identifier: Apache-2.0
#include "agent/ingest/series_limits.h"

#include <vector>

namespace outrider::ingest {

std::optional<std::string> outside_of(const net::Scope& limits,
                                      const remote_write::WriteRequest& request,
                                      const remote_write::LabelLimits& labels_max) {
  std::vector<LabelView> labels;
  std::string scratch;
  const auto label = [&labels](std::string_view name) {
    const auto found = std::find_if(labels.begin(), labels.end(),
                                    [name](const LabelView& one) { return one.name == name; });
    return found == labels.end() ? std::string_view() : found->value;
  };
  const auto series = request.series();
  for (std::size_t i = 0; i < series.size(); ++i) {
    if (series[i].fault != remote_write::SeriesFault::none) continue;
    const std::string_view encoded = request.encoded_labels(series[i], scratch);
    if (remote_write::parse_labels(encoded, labels_max, labels) != remote_write::SeriesFault::none)
      continue;
    if (reaches(limits, label)) continue;
    const auto named = [&](std::string_view name) {
      const std::string_view value = label(name);
      return std::string(name) + " " + (value.empty() ? "(none)" : std::string(value));
    };
    return request.name_of(series[i], i) + " is of " + named("cluster") + ", " +
           named("namespace") + ", " + named("job") + ", " + named("model_name") +
           ", which the token is not for; nothing of the request was stored. Give each sender a "
           "token of its own workload";
  }
  return std::nullopt;
}

}  // namespace outrider::ingest
