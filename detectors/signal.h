// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the peer detectors (adwin.h, page_hinkley.h, ddm.h, hddm_a.h, fixed_window.h) say to a
// value.
//
// None of them resets itself: a detector that said `drift` goes on as its header tells, and who
// wants river's behaviour (start anew with the value after a drift) calls reset() when drift is
// said.

#include <cmath>
#include <cstdint>

namespace outrider::detectors {

enum class Signal : std::uint8_t { none, warning, drift };

// Detectors of real numbers refuse NaN, infinities and numbers whose squares could overflow a sum.
inline bool is_usable(double value) {
  return std::abs(value) <= 1e100;
}

}  // namespace outrider::detectors
