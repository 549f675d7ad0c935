// SPDX-License-Identifier: Apache-2.0
#pragma once

// Small, strict text functions. None allocates unless it returns a string; none throws.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"

namespace outrider {

std::string_view trim(std::string_view text);  // Blanks, tabs, CR and LF off both ends.
std::string lower_ascii(std::string_view text);
bool iequals_ascii(std::string_view a, std::string_view b);

// Pieces between separators; "a,,b" has three. Views into `text`.
std::vector<std::string_view> split(std::string_view text, char separator);

// The whole of `text` must be one number; surrounding blanks are refused. Accepts what strtod
// accepts in the C locale except hexadecimal; "nan" and "inf" in any case.
std::optional<double> parse_double(std::string_view text);
// The same for a plain decimal of at most 15 digits ("1467.512", "-3"), nothing for any other text:
// in a quarter of the time.
std::optional<double> parse_plain_decimal(std::string_view text);
std::optional<std::int64_t> parse_int(std::string_view text);
std::optional<std::uint64_t> parse_uint(std::string_view text);

// "1500ms", "30s", "5m", "24h", "30d", "1w", "1h30m", as Prometheus writes durations.
std::optional<Duration> parse_duration(std::string_view text);
std::string format_duration(
    Duration duration);  // "1h30m"; the shortest form parse_duration accepts.

// "512", "64KiB", "32MiB", "2GiB", "10MB". Bytes.
std::optional<std::uint64_t> parse_bytes(std::string_view text);
std::string format_bytes(std::uint64_t bytes);

// The shortest text that parses back to the same double; "NaN", "+Inf", "-Inf" as Prometheus has
// it.
std::string format_double(double value);
void append_double(std::string& out, double value);

// RFC 3339 in UTC with milliseconds, "2026-01-31T12:00:00.000Z", and back (any offset, any
// precision; the years 1678 to 2261, which a Time can hold).
std::string format_rfc3339(Time time);
std::optional<Time> parse_rfc3339(std::string_view text);

// Percent-decoding of a URL's path or query piece; '+' is a blank in a query. Malformed escapes are
// refused.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_blank);
std::string percent_encode(std::string_view text);

bool is_valid_utf8(std::string_view text);

}  // namespace outrider
