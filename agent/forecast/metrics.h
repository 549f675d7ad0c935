// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the boards say, for Prometheus. PURE.
//
// A forecast is a gauge at the time at which it is made, with its horizon as a label, never a
// sample of the future: those would move Prometheus's head ahead and shut out the present.
// `outrider_forecast{horizon="6h"} offset 6h` draws the band ahead of now, and what was said
// earlier beside the truth.

#include "agent/forecast/report.h"
#include "base/wire/exposition.h"

namespace outrider::forecast {

void collect(const Said& said, const Rules& rules, wire::MetricSink& sink);

}  // namespace outrider::forecast
