// SPDX-License-Identifier: Apache-2.0
#pragma once

// Numbers with their units, as a person reads them; rounded so that none says more than is so: what
// is not all is never "100 %", what is not nothing never "0 %". PURE.

#include <string>

#include "base/core/clock.h"

namespace outrider::page {

enum class Unit { share, rate, ratio, milliseconds, number };

// "95.2 %", "12.3/s", "0.6/min", "1.80 ×", "120 ms", "1.5 s", "42"; of NaN and infinities "not
// known".
std::string figure(Unit unit, double value);

std::string span_text(Duration span);  // "45 s", "3 h".

}  // namespace outrider::page
