// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/admin/key_notes.h"

#include "base/core/text.h"

namespace outrider::monitor {
namespace {

prometheus::Counter& keys_total(wire::Registry& metrics, const char* result) {
  return metrics.counter(
      "outrider_prediction_keys_total",
      "Predictions by what became of the key of request.id: found, missing or unusable. Without a "
      "key a prediction is labelled by its own id.",
      {{"result", result}});
}

}  // namespace

KeyNotes::KeyNotes()
    : found_(keys_total(metrics_, "found")),
      missing_(keys_total(metrics_, "missing")),
      unusable_(keys_total(metrics_, "unusable")) {}

bool KeyNotes::note(const decode::Observation& observation, Time now) {
  const decode::KeyCounts& keys = observation.keys;
  if (keys.found + keys.missing + keys.unusable == 0) return false;  // None is configured.
  const std::lock_guard hold(lock_);
  found_.Increment(keys.found);
  missing_.Increment(keys.missing);
  unusable_.Increment(keys.unusable);
  if (observation.key_words.empty()) return false;
  last_ = now;
  words_ = observation.key_words;
  if (told_ && now - *told_ < told_every) return false;
  told_ = now;
  return true;
}

wire::Json KeyNotes::to_json() const {
  const std::lock_guard hold(lock_);
  wire::Json json = {{"found", static_cast<std::uint64_t>(found_.Value())},
                     {"missing", static_cast<std::uint64_t>(missing_.Value())},
                     {"unusable", static_cast<std::uint64_t>(unusable_.Value())}};
  if (words_.empty()) return json;
  json["last"] = format_rfc3339(last_);
  json["message"] = words_;
  return json;
}

}  // namespace outrider::monitor
