// SPDX-License-Identifier: Apache-2.0
#include "agent/forecast/load_samples.h"

namespace outrider::forecast {

Labels without_name(Labels labels) {
  labels.set("__name__", "");
  return labels;
}

void take_answer(LoadSamples& services, const std::vector<Series>& answer,
                 double detectors::LoadSample::*member) {
  for (const Series& series : answer) {
    auto& minutes = services[without_name(series.labels)];
    for (const Sample& sample : series.samples) {
      detectors::LoadSample& made = minutes[sample.timestamp_ms];
      made.at = from_unix_ms(sample.timestamp_ms - 1);
      made.*member = sample.value;
    }
  }
}

}  // namespace outrider::forecast
