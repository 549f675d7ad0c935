// SPDX-License-Identifier: Apache-2.0
#pragma once

// The answers to a capacity rule's four questions, put together by labels and time. PURE.

#include <cstdint>
#include <map>
#include <vector>

#include "base/core/series.h"
#include "detectors/replica_capacity.h"

namespace outrider::forecast {

using LoadSamples = std::map<Labels, std::map<std::int64_t, detectors::LoadSample>>;  // By ms.

// `member` is what the question is about. What a query gives at a time is about the minute before.
void take_answer(LoadSamples& services, const std::vector<Series>& answer,
                 double detectors::LoadSample::*member);

Labels without_name(Labels labels);

}  // namespace outrider::forecast
