// SPDX-License-Identifier: Apache-2.0
#pragma once

// An anomaly as the alert that the incident book takes, so that incidents join alerts and anomalies
// by one set of rules. PURE.
//
// The alert is named SeriesAnomaly. It has the labels that say whose the series is
// (agent/series/anomaly.h), and tells the series of one incident apart by the label anomaly_series.

#include <string_view>

#include "agent/series/finding.h"
#include "base/wire/alert_webhook.h"

namespace outrider::watch {

inline constexpr std::string_view anomaly_alert = "SeriesAnomaly";

// Firing, or resolved when the finding is an episode's end.
wire::WebhookAlert make_alert(const series::Finding& finding);

}  // namespace outrider::watch
