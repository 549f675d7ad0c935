// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reads a page of metrics: text 0.0.4 and OpenMetrics 1.0, as Prometheus reads them. PURE;
// thread-safe. O(bytes).
//
//   const auto families = parse_exposition(body, format_of(content_type), {.samples_max = 50'000});
//
// As Prometheus does:
// - one bad line fails the page: half a page would look as if series had ended;
// - text takes blank lines, comments, blanks between tokens, and a last line without line feed;
//   OpenMetrics takes none of these and must end in "# EOF";
// - samples need no TYPE, may stand apart from their family, and types need not fit the samples'
//   values;
// - names of UTF-8 may stand quoted inside the braces: {"my.metric", "a label"="x"} 1;
// - "le" and "quantile" values are brought to the canonical form ("1" becomes "1.0"), and every NaN
//   to one;
// - a timestamp is milliseconds in text and seconds in OpenMetrics; a "_created" sample dates its
//   series' beginning. (Seconds, as the format has it; a number past the year 5000 is taken for
//   milliseconds.)
//
// Errors: "bad_exposition" with the line, "too_many_samples".
//
// Sources: Prometheus documentation, "Exposition formats"; OpenMetrics 1.0; Prometheus's
// model/textparse.

#include <cstddef>
#include <string_view>

#include "base/core/result.h"
#include "base/wire/exposed.h"

namespace outrider::wire {

struct ExpositionLimits {
  std::size_t samples_max = 50'000;
};

Result<ExposedFamilies> parse_exposition(std::string_view page, Format format,
                                         const ExpositionLimits& limits = {});

// What a Content-Type header says; anything but OpenMetrics is read as text.
Format format_of(std::string_view content_type);

}  // namespace outrider::wire
