// SPDX-License-Identifier: Apache-2.0
#pragma once

// A replay as a picture: each series beside the band that was forecast one shortest horizon before,
// and each service's replicas beside those that were wanted. PURE.

#include <string>

#include "agent/forecast/replay.h"

namespace outrider::cli {

inline constexpr std::size_t ahead_panels_max = 50;  // The rest is counted in the picture.

// Services come first. Anomalies are ticks below, alerts are shaded from firing to their end.
std::string ahead_svg(const forecast::Replayed& told, const forecast::Rules& rules,
                      const forecast::ReplaySettings& settings);

}  // namespace outrider::cli
