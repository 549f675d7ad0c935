// SPDX-License-Identifier: Apache-2.0
#pragma once

// The section `rhythm` of reference.json: training rows by the hour of the week
// (detectors/rhythm.h). Optional, with a version of its own; at most 168 x 10 counts a subject. The
// schema is in docs/reference-format.md. PURE.

#include "base/core/result.h"
#include "base/wire/json.h"
#include "detectors/reference.h"

namespace outrider::reference {

inline constexpr int rhythm_version = 1;

wire::Json write_rhythm(const detectors::Reference& statistics);  // Which has timed counts.

// Errors: "bad_reference" (with the key's path), "reference_version" (written by a later program).
Result<detectors::TimedCounts> read_rhythm(const wire::Json& json,
                                           const detectors::Reference& statistics);

}  // namespace outrider::reference
