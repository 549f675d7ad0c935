// SPDX-License-Identifier: Apache-2.0
#pragma once

// What names an anomaly, and whose it is. PURE.
//
// Of a series' labels an anomaly keeps those that say whose it is (job, service, model_name, …):
// anomalies that agree on them are one incident, in which each series is a member of its own.

#include <string>
#include <string_view>

#include "base/core/series.h"

namespace outrider::series {

// "rate of http_requests_total{job=\"shop\"}".
std::string series_text(const Labels& labels, std::string_view quantity);

// The labels that make an incident; "" values left out.
Labels owner_labels(const Labels& labels);

}  // namespace outrider::series
