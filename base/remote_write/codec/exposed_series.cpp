// SPDX-License-Identifier: Apache-2.0
#include "base/remote_write/codec/exposed_series.h"

#include <set>

namespace outrider::remote_write {

void add_target_labels(wire::ExposedFamilies& families, const Labels& target) {
  for (wire::ExposedFamily& family : families) {
    for (wire::ExposedSample& sample : family.samples) {
      for (const Label& label : target) {
        const std::string own(sample.labels.get(label.name));
        if (!own.empty()) {
          std::string kept = "exported_" + label.name;
          while (!sample.labels.get(kept).empty()) kept = "exported_" + kept;
          sample.labels.set(kept, own);
        }
        sample.labels.set(label.name, label.value);
      }
    }
  }
}

void fill_target_labels(wire::ExposedFamilies& families, const Labels& target) {
  for (wire::ExposedFamily& family : families) {
    for (wire::ExposedSample& sample : family.samples) {
      for (const Label& label : target) {
        if (sample.labels.get(label.name).empty()) sample.labels.set(label.name, label.value);
      }
    }
  }
}

ExposedSeries to_series(const wire::ExposedFamilies& families, std::int64_t time_ms) {
  ExposedSeries out;
  std::set<std::pair<Labels, std::int64_t>> seen;
  for (const wire::ExposedFamily& family : families) {
    for (const wire::ExposedSample& sample : family.samples) {
      Labels labels = sample.labels;
      labels.set("__name__", sample.name);
      const std::int64_t at = sample.timestamp_ms.value_or(time_ms);
      if (!seen.emplace(labels, at).second) {
        ++out.duplicates;
        continue;
      }
      if (!sample.timestamp_ms) out.at_round.push_back(labels);
      WriteSeries series{
          .labels = std::move(labels),
          .samples = {{.timestamp_ms = at, .value = sample.value}},
          .metadata = {.type = family.type, .help = family.help, .unit = family.unit},
          .start_timestamp_ms = sample.start_timestamp_ms};
      if (sample.exemplar) {
        series.exemplars.push_back(*sample.exemplar);
        // An exemplar must have a time in remote write; without one it is its sample's.
        if (series.exemplars[0].timestamp_ms == 0) series.exemplars[0].timestamp_ms = at;
      }
      out.series.push_back(std::move(series));
    }
  }
  return out;
}

}  // namespace outrider::remote_write
