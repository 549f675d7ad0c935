// SPDX-License-Identifier: Apache-2.0
#include "base/remote_write/codec/delivery.h"

#include <algorithm>

#include "base/core/text.h"
#include "base/wire/retry_after.h"

namespace outrider::remote_write {
namespace {

// Absent or unreadable: 0 were written, as the specification has it.
std::uint64_t refused(std::uint64_t sent, std::string_view written) {
  return sent - std::min(sent, parse_uint(written).value_or(0));
}

}  // namespace

Version Delivery::version(Time now) {
  if (!settings_.version && version_ == Version::v1 &&
      now - fell_back_ >= settings_.upgrade_after) {
    version_ = Version::v2;
  }
  return version_;
}

Step Delivery::fall_back(Time now) {
  version_ = Version::v1;
  fell_back_ = now;
  backoff_.reset();
  return {.what = Step::What::again_as_v1};
}

Step Delivery::after(const Answer& answer, const Counts& sent, Time now, double unit) {
  const bool may_fall_back = version_ == Version::v2 && !settings_.version;
  if (answer.status / 100 == 2) {
    const bool wrote_headers = !answer.samples_written.empty() ||
                               !answer.histograms_written.empty() ||
                               !answer.exemplars_written.empty();
    if (!wrote_headers && may_fall_back) return fall_back(now);
    backoff_.reset();
    Step step{.what = Step::What::done};
    if (version_ == Version::v2 && wrote_headers) {
      step.samples_refused = refused(sent.samples, answer.samples_written);
      step.exemplars_refused = refused(sent.exemplars, answer.exemplars_written);
    }
    return step;
  }
  if (answer.status == 415 && may_fall_back) return fall_back(now);
  if (answer.status == 0 || answer.status / 100 == 5 || answer.status == 429) {
    Duration wait = backoff_.next(unit);
    if (const auto asked = wire::parse_retry_after(answer.retry_after, now)) {
      wait = std::max(wait, std::min(*asked, settings_.retry_after_max));
    }
    return {.what = Step::What::retry, .at = now + wait};
  }
  backoff_.reset();
  return {.what = Step::What::given_up};
}

}  // namespace outrider::remote_write
