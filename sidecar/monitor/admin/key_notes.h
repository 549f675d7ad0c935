// SPDX-License-Identifier: Apache-2.0
#pragma once

// How many predictions have the key by which labels name them (request.id of the model configuration), and why the last
// one that has none has none: counters, /api/v1/status, and the log, which is told at most once in ten minutes.
// Thread-safe.

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "base/core/clock.h"
#include "base/wire/exposition.h"
#include "base/wire/json.h"
#include "sidecar/monitor/decode/observation.h"

namespace outrider::monitor {

class KeyNotes final : public wire::Collector {
 public:
  // True when the log should be told of observation.key_words.
  bool note(const decode::Observation& observation, Time now);
  // {"found": 3, "missing": 1, "unusable": 0, "last": "2026-…Z", "message": "…"}
  wire::Json to_json() const;
  void collect(wire::MetricSink& sink) override;  // outrider_prediction_keys_total

 private:
  static constexpr Duration told_every = std::chrono::minutes(10);
  mutable std::mutex lock_;
  std::uint64_t found_ = 0, missing_ = 0, unusable_ = 0;
  Time last_{};
  std::optional<Time> told_;
  std::string words_;
};

}  // namespace outrider::monitor
