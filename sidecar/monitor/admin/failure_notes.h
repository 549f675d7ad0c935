// SPDX-License-Identifier: Apache-2.0
#pragma once

// Why exchanges could not be analysed, in words: the last one of each reason, for /api/v1/status
// and for the log, which is told of a reason at most once in ten minutes. What the counters say by
// reason, this says by example: what was seen, and what to write into the model configuration.
// Thread-safe.

#include <array>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "base/core/clock.h"
#include "base/wire/json.h"
#include "sidecar/tap/exchange.h"

namespace outrider::monitor {

class FailureNotes {
 public:
  // `words` may be empty: the reason says it then. True when the log should be told.
  bool note(tap::FailReason reason, std::string_view words, Time now);
  // {"ambiguous_prediction": {"count": 3, "last": "2026-…Z", "message": "…"}}, what happened since
  // the start.
  wire::Json to_json() const;

 private:
  static constexpr Duration told_every = std::chrono::minutes(10);
  struct Note {
    std::uint64_t count = 0;
    Time last{}, told{};
    std::string words;
  };

  mutable std::mutex lock_;
  std::array<Note, tap::fail_reason_count> notes_;
};

}  // namespace outrider::monitor
