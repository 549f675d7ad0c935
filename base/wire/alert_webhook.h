// SPDX-License-Identifier: Apache-2.0
#pragma once

// What Alertmanager posts to a webhook receiver, version 4. PURE.
//
//   Result<AlertWebhook> webhook = parse_alert_webhook(request.body);
//   if (!webhook) return net::error_response(400, webhook.error().code, webhook.error().message);
//   for (const WebhookAlert& alert : webhook->alerts) …
//
// Unknown keys are ignored, as they may be a newer Alertmanager's. What identifies an alert (its
// labels) and what tells one episode from the next (startsAt) must be there and well-formed.
//
// Source: the Prometheus documentation, "Alerting: configuration: <webhook_config>".

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/core/series.h"

namespace outrider::wire {

struct WebhookAlert {
  bool firing = false;          // Else resolved.
  Labels labels;                // Never empty; always with "alertname".
  Labels annotations;           // Names to texts; an empty text counts as absent.
  Time starts_at;               // Times are whole milliseconds, as Prometheus has them.
  std::optional<Time> ends_at;  // Absent while nobody knows (Alertmanager's year 1).
  std::string generator_url;
  std::string fingerprint;  // Alertmanager's hash of the labels; may be empty.
};

struct AlertWebhook {
  std::string group_key;
  std::string receiver;
  std::string external_url;
  std::uint64_t truncated_alerts = 0;  // How many Alertmanager left out (max_alerts).
  std::vector<WebhookAlert> alerts;
};

struct AlertWebhookLimits {
  std::size_t alerts_max = 10'000;
  std::size_t labels_max = 128;         // Labels of one alert; the same for its annotations.
  std::size_t name_bytes_max = 1'024;   // One name.
  std::size_t text_bytes_max = 16'384;  // One label's value or one annotation.
};

// Errors, each naming the alert and field: those of parse_json; "bad_alert" (a missing or wrong
// field); "alert_limit" (more of something than the limits allow).
Result<AlertWebhook> parse_alert_webhook(std::string_view body,
                                         const AlertWebhookLimits& limits = {});

}  // namespace outrider::wire
