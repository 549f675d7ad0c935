// SPDX-License-Identifier: Apache-2.0
#pragma once

// An anomaly as the alert that the incident book takes, so that incidents join alerts and anomalies
// by one set of rules. PURE.
//
// The alert is named SeriesAnomaly. Of the series' labels it keeps those that say whose it is (job,
// service, model_name, …): anomalies that agree on them are one incident, in which each series is a
// member of its own, told apart by the label anomaly_series.

#include <string>

#include "agent/series/finding.h"
#include "base/wire/alert_webhook.h"

namespace outrider::watch {

inline constexpr std::string_view anomaly_alert = "SeriesAnomaly";

// "rate of http_requests_total{job=\"shop\"}".
std::string series_text(const Labels& labels, std::string_view quantity);

// The labels that make an incident; "" values left out.
Labels owner_labels(const Labels& labels);

// Firing, or resolved when the finding is an episode's end.
wire::WebhookAlert make_alert(const series::Finding& finding);

}  // namespace outrider::watch
