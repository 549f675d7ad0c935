// SPDX-License-Identifier: Apache-2.0
#pragma once

// How many predictions have the key by which labels name them (request.id of the model
// configuration), and why the last one that has none has none: counters, /api/v1/status, and the
// log, which is told at most once in ten minutes. Thread-safe.

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "base/core/clock.h"
#include "base/wire/json.h"
#include "base/wire/registry.h"
#include "sidecar/monitor/decode/observation.h"

namespace outrider::monitor {

class KeyNotes final : public wire::Collector {
 public:
  KeyNotes();
  // True when the log should be told of observation.key_words.
  bool note(const decode::Observation& observation, Time now);
  // {"found": 3, "missing": 1, "unusable": 0, "last": "2026-…Z", "message": "…"}
  wire::Json to_json() const;
  void collect(wire::MetricSink& sink) override { metrics_.collect(sink); }

 private:
  static constexpr Duration told_every = std::chrono::minutes(10);
  mutable std::mutex lock_;
  wire::Registry metrics_;
  prometheus::Counter &found_, &missing_, &unusable_;
  Time last_{};
  std::optional<Time> told_;
  std::string words_;
};

}  // namespace outrider::monitor
