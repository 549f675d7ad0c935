// SPDX-License-Identifier: Apache-2.0
#include "base/wire/alert_webhook.h"

#include "base/core/text.h"
#include "base/wire/json.h"

namespace outrider::wire {
namespace {

constexpr std::string_view alertmanager_version = "4", grafana_version = "1";

Failure bad(const std::string& where, const std::string& what) {
  return fail("bad_alert", where + ": " + what);
}

// The text under `key`, "" when absent or null.
Result<std::string> text_of(const Json& object, const char* key, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return std::string();
  if (!found->is_string()) return bad(where + "." + key, "expected text");
  return found->get<std::string>();
}

Result<Labels> labels_of(const Json& alert, const char* key, const std::string& where,
                         const AlertWebhookLimits& limits) {
  Labels labels;
  const auto found = alert.find(key);
  if (found == alert.end() || found->is_null()) return labels;
  const std::string here = where + "." + key;
  if (!found->is_object()) return bad(here, "expected an object of texts");
  if (found->size() > limits.labels_max) {
    return fail("alert_limit",
                here + ": more than " + std::to_string(limits.labels_max) + " entries");
  }
  for (const auto& [name, value] : found->items()) {
    if (name.empty()) return bad(here, "an empty name");
    if (!value.is_string()) return bad(here + "." + name, "expected text");
    const auto& text = value.get_ref<const std::string&>();
    if (name.size() > limits.name_bytes_max || text.size() > limits.text_bytes_max) {
      return fail("alert_limit", here + "." + name.substr(0, 64) + ": longer than " +
                                     std::to_string(limits.text_bytes_max) + " bytes");
    }
    labels.set(name, text);
  }
  return labels;
}

// Alertmanager writes year 1 for "not known".
Result<std::optional<Time>> time_of(const Json& alert, const char* key, const std::string& where) {
  const auto text = text_of(alert, key, where);
  if (!text) return fail(text);
  if (text->empty() || text->starts_with("0001-")) return std::optional<Time>();
  const auto time = parse_rfc3339(*text);
  if (!time) return bad(where + "." + key, "expected a time such as 2026-01-31T12:00:00Z");
  return std::optional<Time>(std::chrono::floor<std::chrono::milliseconds>(*time));
}

Result<WebhookAlert> parse_alert(const Json& json, const std::string& where,
                                 const AlertWebhookLimits& limits) {
  if (!json.is_object()) return bad(where, "expected an object");
  WebhookAlert alert;
  const auto status = text_of(json, "status", where);
  if (!status) return fail(status);
  if (*status != "firing" && *status != "resolved") {
    return bad(where + ".status", "expected 'firing' or 'resolved'");
  }
  alert.firing = *status == "firing";

  auto labels = labels_of(json, "labels", where, limits);
  if (!labels) return fail(labels);
  if (labels->get("alertname").empty()) return bad(where + ".labels", "expected an alertname");
  alert.labels = std::move(*labels);
  auto annotations = labels_of(json, "annotations", where, limits);
  if (!annotations) return fail(annotations);
  alert.annotations = std::move(*annotations);

  const auto starts_at = time_of(json, "startsAt", where);
  if (!starts_at) return fail(starts_at);
  if (!*starts_at) return bad(where + ".startsAt", "expected the time at which the alert began");
  alert.starts_at = **starts_at;
  const auto ends_at = time_of(json, "endsAt", where);
  if (!ends_at) return fail(ends_at);
  alert.ends_at = *ends_at;

  auto generator_url = text_of(json, "generatorURL", where);
  if (!generator_url) return fail(generator_url);
  alert.generator_url = std::move(*generator_url);
  auto fingerprint = text_of(json, "fingerprint", where);
  if (!fingerprint) return fail(fingerprint);
  alert.fingerprint = std::move(*fingerprint);
  return alert;
}

}  // namespace

Result<AlertWebhook> parse_alert_webhook(std::string_view body, const AlertWebhookLimits& limits) {
  if (!is_valid_utf8(body)) return fail("invalid_json", "the body is not UTF-8");
  const auto json = parse_json(body);
  if (!json) return fail(json);
  if (!json->is_object()) return bad("the body", "expected Alertmanager's webhook object");

  AlertWebhook webhook;
  const auto version = text_of(*json, "version", "the body");
  if (!version) return fail(version);
  if (*version != alertmanager_version && *version != grafana_version) {
    return bad("version", "expected \"4\" (Alertmanager's webhook) or \"1\" (Grafana's), got \"" +
                              version->substr(0, 16) + "\"");
  }
  for (const auto& [key, target] :
       {std::pair{"groupKey", &webhook.group_key}, std::pair{"receiver", &webhook.receiver},
        std::pair{"externalURL", &webhook.external_url}}) {
    auto text = text_of(*json, key, "the body");
    if (!text) return fail(text);
    *target = std::move(*text);
  }
  if (const auto cut = json->find("truncatedAlerts");
      cut != json->end() && cut->is_number_unsigned()) {
    webhook.truncated_alerts = cut->get<std::uint64_t>();
  }

  const auto alerts = json->find("alerts");
  if (alerts == json->end() || !alerts->is_array()) return bad("alerts", "expected a list");
  if (alerts->size() > limits.alerts_max) {
    return fail("alert_limit", "alerts: " + std::to_string(alerts->size()) +
                                   " in one webhook, at most " + std::to_string(limits.alerts_max) +
                                   "; set max_alerts in Alertmanager's webhook_configs");
  }
  webhook.alerts.reserve(alerts->size());
  for (std::size_t i = 0; i < alerts->size(); ++i) {
    auto alert = parse_alert((*alerts)[i], "alerts[" + std::to_string(i) + "]", limits);
    if (alert) {
      webhook.alerts.push_back(std::move(*alert));
    } else {
      webhook.invalid.push_back({i, alert.error()});
    }
  }
  return webhook;
}

}  // namespace outrider::wire
