// SPDX-License-Identifier: Apache-2.0
#include "predictor/retrain/request.h"

#include "base/core/text.h"

namespace outrider::retrain {
namespace {

using wire::Json;

Failure bad(const std::string& what) {
  return fail("bad_request", what);
}

// A text by key; absent, null and "" are the same.
Result<std::string> text_of(const Json& json, const char* key) {
  const auto place = json.find(key);
  if (place == json.end() || place->is_null()) return std::string();
  if (!place->is_string()) return bad(std::string("'") + key + "': expected a text");
  return place->get<std::string>().substr(0, text_bytes_max);
}

Result<std::optional<Time>> time_of(const Json& json, const char* key) {
  const auto place = json.find(key);
  if (place != json.end() && place->is_number()) {
    const double seconds = place->get<double>();
    if (seconds >= 0 && seconds < 9e9) return std::optional<Time>(Time{from_seconds(seconds)});
  }
  const auto text = text_of(json, key);
  if (text && text->empty()) return std::optional<Time>();
  const auto time = text ? parse_rfc3339(*text) : std::nullopt;
  if (!time) {
    return bad(std::string("'") + key + "': expected a time like 2026-01-31T12:00:00Z, or none");
  }
  return std::optional<Time>(*time);
}

Result<std::optional<Request>> parse_own(const Json& json) {
  Request request;
  struct Field {
    const char* key;
    std::string Request::*member;
  };
  constexpr Field fields[] = {{"model", &Request::model},
                              {"version", &Request::version},
                              {"reason", &Request::reason},
                              {"incident", &Request::incident},
                              {"idempotency_key", &Request::idempotency_key}};
  for (const Field& field : fields) {
    auto text = text_of(json, field.key);
    if (!text) return fail(text);
    request.*field.member = std::move(*text);
  }
  const auto since = time_of(json, "since");
  if (!since) return fail(since);
  request.since = *since;
  return std::optional<Request>(std::move(request));
}

std::string member_text(const Json& json, const char* object, const char* key) {
  const auto place = json.find(object);
  if (place == json.end() || !place->is_object()) return {};
  return text_of(*place, key).value_or("");
}

Result<std::optional<Request>> parse_alertmanager(const Json& json) {
  const Json& alerts = json["alerts"];
  if (!alerts.is_array()) return bad("'alerts': expected Alertmanager's list of alerts");
  for (const Json& alert : alerts) {
    if (!alert.is_object()) return bad("'alerts': expected a list of objects");
    if (text_of(alert, "status").value_or("") != "firing") continue;
    Request request;
    request.model = member_text(alert, "labels", "model_name");
    request.version = member_text(alert, "labels", "model_version");
    request.reason = member_text(alert, "labels", "alertname") + ": " +
                     member_text(alert, "annotations", "description");
    const std::string starts_at = text_of(alert, "startsAt").value_or("");
    request.idempotency_key = text_of(json, "groupKey").value_or("") + "/" +
                              text_of(alert, "fingerprint").value_or("") + "/" + starts_at;
    const std::string since = member_text(alert, "annotations", "since");
    request.since = parse_rfc3339(since.empty() ? starts_at : since);
    return std::optional<Request>(std::move(request));
  }
  return std::optional<Request>();
}

}  // namespace

Result<std::optional<Request>> parse_request(std::string_view body) {
  if (trim(body).empty()) return std::optional<Request>(Request{});
  const auto json = wire::parse_json(body);
  if (!json) return bad("the body: " + json.error().message);
  if (!json->is_object()) return bad("the body: expected an object, the agent's or Alertmanager's");
  return json->contains("alerts") ? parse_alertmanager(*json) : parse_own(*json);
}

Json to_json(const Request& request) {
  return {{"model", request.model},
          {"version", request.version},
          {"reason", request.reason},
          {"since", request.since ? Json(format_rfc3339(*request.since)) : Json()},
          {"incident", request.incident},
          {"idempotency_key", request.idempotency_key}};
}

}  // namespace outrider::retrain
