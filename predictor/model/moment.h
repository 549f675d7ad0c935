// SPDX-License-Identifier: Apache-2.0
#pragma once

// Dates as data sets write them. PURE.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"

namespace outrider::model {

// The form of a whole column: a column has one form, so that 1/2/2015 is never guessed row by row.
enum class MomentForm { rfc3339, iso, compact, month_first, day_first, unix_seconds, unix_ms };

// "2015-01-31T10:00:00Z" (rfc3339), "2015-01-31[ 10:00[:00]]" (iso), "20150131[T100000]" (compact),
// "1/31/2015" (month_first), "31/1/2015" or "31.1.2015" (day_first), seconds or milliseconds since
// 1970. Without a zone: UTC.
std::optional<Time> parse_moment(std::string_view text, MomentForm form);

// The times of a column's texts, by the first form that reads every one of them (month first before
// day first). Error "bad_time" with the line's index and the text.
Result<std::vector<Time>> parse_moments(const std::vector<std::string_view>& texts);

}  // namespace outrider::model
