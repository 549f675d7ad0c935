// SPDX-License-Identifier: Apache-2.0
#include "agent/decide/rule_pieces.h"

#include <algorithm>
#include <array>

#include "agent/decide/life.h"
#include "base/core/text.h"

namespace outrider::decide {
namespace {

using config::Yaml;
using wire::Json;

constexpr std::string_view default_body =
    R"({"action": {{ action }}, "model": {{ model | default "" }}, "version": {{ version }}, )"
    R"("cluster": {{ cluster | default "" }}, "namespace": {{ namespace | default "" }}, )"
    R"("workload": {{ workload | default "" }}, "owner": {{ owner | default "" }}, )"
    R"("reason": {{ reason }}, "since": {{ since }}, "incident": {{ incident }}, )"
    R"("idempotency_key": {{ idempotency_key }}})";

bool is_known_field(std::string_view field) {
  for (const std::string_view prefix : {"labels.", "annotations."}) {
    if (field.starts_with(prefix) && field.size() > prefix.size()) return true;
  }
  const auto& known = field_names();
  return std::find(known.begin(), known.end(), field) != known.end();
}

bool is_of_diagnosis(std::string_view field) {
  const auto& fields = diagnosis_field_names();
  return std::find(fields.begin(), fields.end(), field) != fields.end();
}

}  // namespace

std::optional<Json> sample_field(std::string_view field, bool unknown) {
  if (field.starts_with("replicas.")) return Json(3);
  if (unknown && (field == "since" || field == "since_unix" || field == "version" ||
                  (field != "brief" && is_of_diagnosis(field)))) {
    return Json();
  }
  if (field == "since_unix") return Json(1'700'000'000);
  // Nothing that a body must not survive is left out.
  return Json("sam\"ple\\\n");
}

const std::vector<std::string_view>& diagnosis_field_names() {
  static const std::vector<std::string_view> names = {
      "brief", "cause", "cause_kind", "diagnosis", "seen_before", "slices", "verdict"};
  return names;
}

bool RulePieces::has(const Yaml& parent, const char* key) const {
  return reader_.child(parent, key).node.IsDefined();
}

Number RulePieces::read_number(const Yaml& parent, const char* key) {
  Number number;
  const Yaml yaml = reader_.child(parent, key);
  const std::string expected =
      "expected one of {value: 3}, {label: NAME}, {annotation: NAME}, {query: PROMQL}";
  reader_.only_keys(yaml, {"value", "label", "annotation", "query"});
  if (!yaml.node.IsDefined() || !yaml.node.IsMap() || yaml.node.size() != 1) {
    reader_.mistake(yaml.node.IsDefined() ? yaml : parent, std::string(key) + ": " + expected);
    return number;
  }
  if (has(yaml, "value")) number.value = reader_.number(yaml, "value").value_or(0);
  if (has(yaml, "label")) {
    number.source = Number::Source::label;
    number.name = required_text(yaml, "label");
  } else if (has(yaml, "annotation")) {
    number.source = Number::Source::annotation;
    number.name = required_text(yaml, "annotation");
  } else if (has(yaml, "query")) {
    number.source = Number::Source::query;
    number.asked = required_text(yaml, "query");
    number.query = read_template(yaml, "query", Template::Place::promql);
  }
  return number;
}

Webhook RulePieces::read_webhook(const Yaml& yaml) {
  Webhook webhook;
  reader_.only_keys(yaml, {"url", "method", "headers", "body", "authorization", "signing_key_file",
                           "ca_file", "timeout", "retry_for", "accept", "job"});
  read_target(yaml, webhook);
  const std::string content_type = read_headers(yaml, webhook);
  read_body(yaml, content_type, webhook);
  Delivery& defaults = webhook.defaults;
  const Yaml authorization = reader_.child(yaml, "authorization");
  reader_.only_keys(authorization, {"type", "credentials_file"});
  if (has(yaml, "authorization")) {
    defaults.authorization_type =
        reader_.text(authorization, "type").value_or(defaults.authorization_type);
    defaults.credentials_file = required_text(authorization, "credentials_file");
  }
  if (has(yaml, "signing_key_file"))
    defaults.signing_key_file = required_text(yaml, "signing_key_file");
  defaults.ca_file = reader_.text(yaml, "ca_file").value_or("");
  defaults.timeout = positive(yaml, "timeout", defaults.timeout);
  defaults.retry_for = reader_.duration(yaml, "retry_for").value_or(defaults.retry_for);
  for (const std::string& status : reader_.texts(yaml, "accept")) {
    const auto number = parse_int(status);
    if (number && *number >= 200 && *number <= 499) {
      defaults.accept.push_back(static_cast<int>(*number));
    } else {
      reader_.mistake(reader_.child(yaml, "accept"),
                      "expected statuses from 200 to 499, got '" + status + "'");
    }
  }
  read_job(yaml, defaults.job);
  return webhook;
}

void RulePieces::read_target(const Yaml& yaml, Webhook& webhook) {
  webhook.method = reader_.text(yaml, "method").value_or(webhook.method);
  if (webhook.method != "POST" && webhook.method != "PUT" && webhook.method != "PATCH") {
    reader_.mistake(reader_.child(yaml, "method"),
                    "expected POST, PUT or PATCH, got '" + webhook.method + "'");
  }
  required_text(yaml, "url");
  webhook.url = read_template(yaml, "url", Template::Place::url);
  const std::string_view start = webhook.url.leading_text();
  const std::size_t scheme = start.starts_with("http://")    ? 7
                             : start.starts_with("https://") ? 8
                                                             : 0;
  const std::size_t host_end = start.find_first_of("/?#", scheme);
  const bool whole_host = scheme > 0 && start.size() > scheme &&
                          (webhook.url.fields().empty() || host_end != std::string_view::npos);
  if (has(yaml, "url") && !whole_host) {
    reader_.mistake(
        reader_.child(yaml, "url"),
        "expected http://HOST… or https://HOST… with no placeholder in HOST: labels must not "
        "choose who is called");
  }
}

std::string RulePieces::read_headers(const Yaml& yaml, Webhook& webhook) {
  std::string content_type = "application/json";
  const Yaml headers = reader_.child(yaml, "headers");
  bool typed = false;
  for (const auto& [header, value] : reader_.entries(headers)) {
    if (iequals_ascii(header, "Idempotency-Key") || iequals_ascii(header, "Content-Length") ||
        iequals_ascii(header, "Host")) {
      reader_.mistake(value, "is set by the agent");
      continue;
    }
    if (iequals_ascii(header, "Authorization")) {
      reader_.mistake(
          value, "keep secrets out of the policy: use authorization: {credentials_file: FILE}");
      continue;
    }
    if (iequals_ascii(header, "Content-Type")) {
      content_type = lower_ascii(reader_.text(headers, header).value_or(""));
      typed = true;
    }
    webhook.headers.emplace_back(header, read_template(headers, header, Template::Place::header));
  }
  if (!typed) {
    webhook.headers.emplace_back("Content-Type",
                                 *Template::parse("application/json", Template::Place::header));
  }
  return content_type;
}

void RulePieces::read_body(const Yaml& yaml, const std::string& content_type, Webhook& webhook) {
  const bool json = content_type.find("json") != std::string::npos;
  const Template::Place place = json ? Template::Place::json
                                : content_type.find("urlencoded") != std::string::npos
                                    ? Template::Place::url
                                    : Template::Place::text;
  if (!has(yaml, "body")) {
    webhook.body = *Template::parse(default_body, Template::Place::json);
    if (!json) reader_.mistake(yaml, "expected a body, as its Content-Type is not JSON");
    return;
  }
  webhook.body = read_template(yaml, "body", place);
  if (!json) return;
  for (const bool unknown : {false, true}) {
    const auto sample = webhook.body.render(
        [unknown](std::string_view field) { return sample_field(field, unknown); });
    const auto parsed = sample ? wire::parse_json(*sample) : Result<Json>(Json());
    if (parsed) continue;
    reader_.mistake(reader_.child(yaml, "body"),
                    "with its placeholders filled in it is no JSON: " + parsed.error().message);
    return;
  }
}

void RulePieces::read_job(const Yaml& yaml, JobWatch& job) {
  const Yaml watch = reader_.child(yaml, "job");
  reader_.only_keys(watch, {"watch", "url", "state", "succeeded", "failed", "every", "timeout"});
  job.enabled = reader_.boolean(watch, "watch").value_or(job.enabled);
  job.url_pointer = pointer(watch, "url", job.url_pointer);
  job.state_pointer = pointer(watch, "state", job.state_pointer);
  if (has(watch, "succeeded")) job.succeeded = reader_.texts(watch, "succeeded");
  if (has(watch, "failed")) job.failed = reader_.texts(watch, "failed");
  job.every = positive(watch, "every", job.every);
  job.timeout = positive(watch, "timeout", job.timeout);
}

std::string RulePieces::pointer(const Yaml& parent, const char* key, const std::string& fallback) {
  const std::string text = reader_.text(parent, key).value_or(fallback);
  if (!text.empty() && text.front() != '/') {
    reader_.mistake(reader_.child(parent, key), "expected a JSON pointer such as /job/url");
  }
  return text;
}

Template RulePieces::read_template(const Yaml& parent, const std::string& key,
                                   Template::Place place) {
  auto parsed = Template::parse(reader_.text(parent, key).value_or(""), place);
  if (!parsed) {
    reader_.mistake(reader_.child(parent, key), parsed.error().message);
    return {};
  }
  check_fields(reader_.child(parent, key), *parsed);
  return std::move(*parsed);
}

void RulePieces::check_fields(const Yaml& at, const Template& text) {
  for (const std::string& field : text.fields()) {
    if (!is_known_field(field)) {
      std::string all;
      for (const std::string_view known : field_names()) all += std::string(known) + ", ";
      reader_.mistake(at, "unknown placeholder '" + field + "'; known are " + all +
                              "labels.NAME and annotations.NAME");
    } else if (field.starts_with("replicas.") && !has_scale_) {
      reader_.mistake(at, "'" + field + "' needs the rule's 'scale'");
    }
  }
}

std::string RulePieces::required_text(const Yaml& parent, const char* key) {
  const auto text = reader_.text(parent, key);
  if (!has(parent, key) || (text && text->empty())) {
    reader_.mistake(parent, "'" + std::string(key) + "' is missing");
  }
  return text.value_or("");
}

std::optional<std::int64_t> RulePieces::at_least(const Yaml& parent, const char* key,
                                                 std::int64_t low) {
  const auto number = reader_.integer(parent, key);
  if (!number || *number >= low) return number;
  reader_.mistake(reader_.child(parent, key), "expected at least " + std::to_string(low));
  return std::nullopt;
}

Duration RulePieces::positive(const Yaml& parent, const char* key, Duration fallback) {
  const Duration duration = reader_.duration(parent, key).value_or(fallback);
  if (duration > Duration{}) return duration;
  reader_.mistake(reader_.child(parent, key), "expected more than 0s");
  return fallback;
}

Template RulePieces::read_condition(const Yaml& parent, const char* key) {
  Template condition = read_template(parent, key, Template::Place::promql);
  const auto sample =
      condition.render([](std::string_view field) { return sample_field(field, false); });
  if (has(parent, key) && sample) {
    if (const auto parsed = parse_condition(*sample); !parsed)
      reader_.mistake(reader_.child(parent, key), parsed.error().message);
  }
  return condition;
}

VerifyRule RulePieces::read_verify(const Yaml& yaml) {
  VerifyRule verify;
  reader_.only_keys(yaml, {"query", "incident", "within", "for"});
  verify.incident_ended = has(yaml, "incident");
  if (has(yaml, "query") == verify.incident_ended) {
    reader_.mistake(yaml, "expected one of query: PROMQL and incident: ended");
  } else if (verify.incident_ended) {
    const std::string word = reader_.text(yaml, "incident").value_or("ended");
    if (word != "ended") {
      reader_.mistake(reader_.child(yaml, "incident"), "expected ended, got '" + word + "'");
    }
  } else {
    verify.query = read_condition(yaml, "query");
  }
  verify.within = positive(yaml, "within", verify.within);
  verify.lasting = reader_.duration(yaml, "for").value_or(verify.lasting);
  if (verify.lasting > verify.within)
    reader_.mistake(reader_.child(yaml, "for"), "longer than 'within'");
  return verify;
}

// Numbers and words that YAML knows become JSON's; what is quoted stays text.
Json RulePieces::read_tree(const Yaml& yaml, const std::string& place, Target& target) {
  if (yaml.node.IsMap()) {
    Json map = Json::object();
    for (const auto& [key, child] : reader_.entries(yaml))
      map[key] = read_tree(child, place + "/" + key, target);
    return map;
  }
  if (yaml.node.IsSequence()) {
    Json list = Json::array();
    for (std::size_t i = 0; i < yaml.node.size(); ++i) {
      const std::string path = yaml.path + "[" + std::to_string(i) + "]";
      list.push_back(
          read_tree({yaml.node[i], path}, place + "/" + std::to_string(list.size()), target));
    }
    return list;
  }
  if (!yaml.node.IsScalar()) return nullptr;
  const std::string text = yaml.node.Scalar();
  if (yaml.node.Tag() == "?") {
    if (text == "true" || text == "false") return text == "true";
    if (const auto number = parse_int(text)) return *number;
  }
  auto parsed = Template::parse(text, Template::Place::text);
  if (!parsed) {
    reader_.mistake(yaml, parsed.error().message);
  } else if (!parsed->fields().empty()) {
    check_fields(yaml, *parsed);
    target.texts.emplace_back(place, std::move(*parsed));
  }
  return text;
}

Target RulePieces::read_target_of(const std::string& executor, const Yaml& yaml) {
  Target target;
  target.executor = executor;
  if (!yaml.node.IsMap()) {
    reader_.mistake(yaml, "expected a map");
    return target;
  }
  target.raw = read_tree(yaml, "", target);
  return target;
}

std::optional<int> RulePieces::minute_of_day(const Yaml& yaml, const char* key) {
  const std::string text = required_text(yaml, key);
  if (text.empty()) return std::nullopt;
  const auto hour = parse_int(text.substr(0, 2));
  const auto minute = text.size() == 5 && text[2] == ':' ? parse_int(text.substr(3)) : std::nullopt;
  if (!hour || !minute || *hour < 0 || *hour > 23 || *minute < 0 || *minute > 59) {
    reader_.mistake(reader_.child(yaml, key), "expected a time of day such as \"22:00\", UTC");
    return std::nullopt;
  }
  return static_cast<int>(*hour * 60 + *minute);
}

QuietHours RulePieces::read_quiet_hours(const Yaml& yaml) {
  static constexpr std::array<std::string_view, 7> names = {"sun", "mon", "tue", "wed",
                                                            "thu", "fri", "sat"};
  QuietHours hours;
  reader_.only_keys(yaml, {"days", "from", "to"});
  if (has(yaml, "days")) hours.days = {};
  for (const std::string& day : reader_.texts(yaml, "days")) {
    const auto found = std::find(names.begin(), names.end(), lower_ascii(day));
    if (found == names.end()) {
      reader_.mistake(reader_.child(yaml, "days"),
                      "expected sun, mon, tue, wed, thu, fri or sat, got '" + day + "'");
      continue;
    }
    hours.days[static_cast<std::size_t>(found - names.begin())] = true;
  }
  hours.from = minute_of_day(yaml, "from").value_or(0);
  hours.to = minute_of_day(yaml, "to").value_or(0);
  hours.text = reader_.text(yaml, "from").value_or("") + " to " +
               reader_.text(yaml, "to").value_or("") + " UTC";
  return hours;
}

}  // namespace outrider::decide
