// SPDX-License-Identifier: Apache-2.0
#pragma once

// The charts of a diagnosis: its causes' metrics as they were measured when it was made. PURE.

#include <vector>

#include "agent/incident/incident.h"
#include "agent/page/chart.h"

namespace outrider::page {

std::vector<Chart> cause_charts(const incident::Incident& incident);

}  // namespace outrider::page
