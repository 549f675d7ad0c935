// SPDX-License-Identifier: Apache-2.0
#pragma once

// What to do with a remote write request after its answer: it is done, is sent again later, is sent
// again as 1.0, or is given up. PURE: the time and a random number are arguments. Not thread-safe.
//
//   Delivery delivery(settings);
//   const Step step = delivery.after(answer, sent, clock.now(), uniform(random));
//   if (step.what == Step::What::retry) wait until step.at
//
// The rules, of the specification and of Prometheus:
// - no answer, 5xx, 429: again, after an exponential back-off with jitter or after Retry-After
//   (seconds or an HTTP date), whichever is later; Retry-After counts up to `retry_after_max`;
// - 415 to a 2.0 request: the receiver knows 1.0 only, so the same batch goes again as 1.0, at
//   once;
// - 2xx to a 2.0 request without any X-Prometheus-Remote-Write-*-Written header: a 1.0 receiver has
//   taken the unknown message for an empty one, so the same batch goes again as 1.0;
// - 2xx otherwise: done. A 2.0 receiver that wrote less than was sent has refused the difference;
// - any other answer, and 415 to 1.0: given up. What a receiver refused it will refuse again.
// A receiver that fell back to 1.0 is asked for 2.0 again after `upgrade_after`.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/core/backoff.h"
#include "base/core/clock.h"
#include "base/remote_write/codec/encode.h"
#include "base/remote_write/codec/version.h"

namespace outrider::remote_write {

// What came back. Headers that are absent are empty.
struct Answer {
  int status = 0;  // 0: none came, for whatever reason.
  std::string retry_after = {};
  std::string samples_written = {}, histograms_written = {}, exemplars_written = {};
};

struct Step {
  enum class What { done, retry, again_as_v1, given_up };
  What what = What::done;
  Time at = {};                         // Of retry: not before.
  std::uint64_t samples_refused = 0;    // Of done: sent, but not written.
  std::uint64_t exemplars_refused = 0;  // Of done.
};

class Delivery {
 public:
  struct Settings {
    // Nothing: 2.0 first, 1.0 where the receiver needs it.
    std::optional<Version> version = std::nullopt;
    Backoff::Limits backoff = {};  // 30 ms to 5 s.
    Duration retry_after_max = std::chrono::minutes(5);
    Duration upgrade_after = std::chrono::hours(1);
  };

  explicit Delivery(Settings settings)
      : settings_(settings),
        backoff_(settings.backoff),
        version_(settings.version.value_or(Version::v2)) {}

  // The version of the next request. Looks at the time: see upgrade_after.
  Version version(Time now);

  // `unit` is a uniform random number in [0, 1).
  Step after(const Answer& answer, const Counts& sent, Time now, double unit);

 private:
  Step fall_back(Time now);

  Settings settings_;
  Backoff backoff_;
  Version version_;
  Time fell_back_{};
};

}  // namespace outrider::remote_write
