// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/admin/key_notes.h"

#include "base/core/text.h"

namespace outrider::monitor {

bool KeyNotes::note(const decode::Observation& observation, Time now) {
  const decode::KeyCounts& keys = observation.keys;
  if (keys.found + keys.missing + keys.unusable == 0) return false;  // None is configured.
  const std::lock_guard hold(lock_);
  found_ += keys.found;
  missing_ += keys.missing;
  unusable_ += keys.unusable;
  if (observation.key_words.empty()) return false;
  last_ = now;
  words_ = observation.key_words;
  if (told_ && now - *told_ < told_every) return false;
  told_ = now;
  return true;
}

wire::Json KeyNotes::to_json() const {
  const std::lock_guard hold(lock_);
  wire::Json json = {{"found", found_}, {"missing", missing_}, {"unusable", unusable_}};
  if (words_.empty()) return json;
  json["last"] = format_rfc3339(last_);
  json["message"] = words_;
  return json;
}

void KeyNotes::collect(wire::MetricSink& sink) {
  const std::lock_guard hold(lock_);
  sink.family({"outrider_prediction_keys_total", wire::MetricType::counter,
               "Predictions by what became of the key of request.id: found, missing or unusable. "
               "Without a key a prediction is labelled by its own id."});
  sink.value(wire::SeriesKey({{"result", "found"}}), static_cast<double>(found_));
  sink.value(wire::SeriesKey({{"result", "missing"}}), static_cast<double>(missing_));
  sink.value(wire::SeriesKey({{"result", "unusable"}}), static_cast<double>(unusable_));
}

}  // namespace outrider::monitor
