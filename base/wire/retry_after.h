// SPDX-License-Identifier: Apache-2.0
#pragma once

// The header Retry-After (RFC 9110, section 10.2.3). PURE; knows no locale.

#include <optional>
#include <string_view>

#include "base/core/clock.h"

namespace outrider::wire {

// "120" (seconds) or an HTTP date in any of its three forms, as a delay from now; nothing when it
// is neither, or lies in the past.
std::optional<Duration> parse_retry_after(std::string_view text, Time now);

}  // namespace outrider::wire
