// SPDX-License-Identifier: Apache-2.0
#pragma once

// What of a cause's metrics is kept with the diagnosis, so that its evidence can be seen as it was
// measured, whatever Prometheus still has later. PURE.

#include <vector>

#include "agent/incident/diagnosis.h"
#include "agent/suspects/collection.h"

namespace outrider::suspects {

// The metrics of the suspect that moved most since the onset: by how many times their own calm
// spread (median absolute deviation of the hour before) the median since differs, at least
// three. At most shown_metrics of them, from an hour before the onset on, in at most shown_values
// values: the median of each stretch.
inline constexpr std::size_t shown_metrics = 2, shown_values = 120;
std::vector<incident::Diagnosis::Shown> shown_rows(const Collection& collection,
                                                   const Suspect& suspect);

}  // namespace outrider::suspects
