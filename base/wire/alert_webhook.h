// SPDX-License-Identifier: Apache-2.0
#pragma once

// What Alertmanager posts to a webhook receiver, version "4", and what Grafana's own alerting
// posts, version "1": the same fields and some more. PURE.
//
//   Result<AlertWebhook> webhook = parse_alert_webhook(request.body);
//   if (!webhook) return net::error_response(400, webhook.error().code, webhook.error().message);
//   for (const WebhookAlert& alert : webhook->alerts) …
//   for (const InvalidAlert& alert : webhook->invalid) …
//
// Unknown keys are ignored, as they may be a newer sender's. What identifies an alert (its labels)
// and what tells one episode from the next (startsAt) must be there and well-formed. An alert that
// cannot be taken is left out alone: the others of its group say something that nobody would hear
// otherwise.
//
// Sources: the Prometheus documentation, "Alerting: configuration: <webhook_config>"; Grafana's
// documentation, "Configure the webhook notifier for Alerting".

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
  std::string fingerprint;  // The sender's hash of the labels; may be empty.
};

// An alert that cannot be taken, by its place in the webhook's list.
struct InvalidAlert {
  std::size_t index = 0;
  Error
      error;  // "bad_alert" (a missing or wrong field), "alert_limit"; the message names alert and field.
};

struct AlertWebhook {
  std::string group_key;
  std::string receiver;
  std::string external_url;
  std::uint64_t truncated_alerts = 0;  // How many the sender left out (max_alerts).
  std::vector<WebhookAlert> alerts;
  std::vector<InvalidAlert> invalid;
};

struct AlertWebhookLimits {
  std::size_t alerts_max = 10'000;
  std::size_t labels_max = 128;         // Labels of one alert; the same for its annotations.
  std::size_t name_bytes_max = 1'024;   // One name.
  std::size_t text_bytes_max = 16'384;  // One label's value or one annotation.
};

// Errors, of the webhook as a whole: those of parse_json; "bad_alert" (no such format);
// "alert_limit" (more alerts than the limits allow). O(bytes).
Result<AlertWebhook> parse_alert_webhook(std::string_view body,
                                         const AlertWebhookLimits& limits = {});

}  // namespace outrider::wire
