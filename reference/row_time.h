// SPDX-License-Identifier: Apache-2.0
#pragma once

// The time of a row, as tables write it: seconds or milliseconds since 1970, or RFC 3339, where a blank between date
// and time is a T and no zone is UTC. PURE.

#include <optional>

#include "base/core/clock.h"
#include "detectors/value.h"

namespace outrider::reference {

inline constexpr const char* row_time_expected =
    "seconds since 1970 or a time such as 2026-01-31T12:00:00Z";

// Nothing when the value is no time.
std::optional<Time> row_time(const detectors::Value& value);

}  // namespace outrider::reference
