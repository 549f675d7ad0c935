// SPDX-License-Identifier: Apache-2.0
#include "agent/decide/policy.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/core/text.h"

namespace outrider::decide {
namespace {

using config::Yaml;
using config::YamlReader;
using wire::Json;

constexpr std::size_t rules_max = 200;
constexpr std::size_t name_bytes_max = 60;
// What is known only once the cause was looked for.
constexpr std::array<std::string_view, 6> diagnosis_fields = {"brief",     "cause",  "cause_kind",
                                                              "diagnosis", "slices", "verdict"};

constexpr std::string_view default_body =
    R"({"action": {{ action }}, "model": {{ model | default "" }}, "version": {{ version }}, )"
    R"("cluster": {{ cluster | default "" }}, "namespace": {{ namespace | default "" }}, )"
    R"("workload": {{ workload | default "" }}, "owner": {{ owner | default "" }}, )"
    R"("reason": {{ reason }}, "since": {{ since }}, "incident": {{ incident }}, )"
    R"("idempotency_key": {{ idempotency_key }}})";

bool is_name(std::string_view text) {
  if (text.empty() || text.size() > name_bytes_max) return false;
  for (const char c : text) {
    if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-') return false;
  }
  return true;
}

bool is_known_field(std::string_view field) {
  for (const std::string_view prefix : {"labels.", "annotations."}) {
    if (field.starts_with(prefix) && field.size() > prefix.size()) return true;
  }
  const auto& known = field_names();
  return std::find(known.begin(), known.end(), field) != known.end();
}

bool tells_diagnosis(const Webhook& webhook) {
  std::vector<const Template*> templates = {&webhook.url, &webhook.body};
  for (const auto& [header, text] : webhook.headers) templates.push_back(&text);
  return std::any_of(templates.begin(), templates.end(), [](const Template* one) {
    const std::vector<std::string> fields = one->fields();
    return std::any_of(fields.begin(), fields.end(), [](const std::string& field) {
      return std::find(diagnosis_fields.begin(), diagnosis_fields.end(), field) !=
             diagnosis_fields.end();
    });
  });
}

// What templates are tried with when they are loaded: nothing that a body must not survive is left
// out.
std::optional<Json> sample_field(std::string_view field, bool unknown) {
  if (field.starts_with("replicas.")) return Json(3);
  if (unknown && (field == "since" || field == "since_unix" || field == "version" ||
                  (field != "brief" && std::find(diagnosis_fields.begin(), diagnosis_fields.end(),
                                                 field) != diagnosis_fields.end()))) {
    return Json();
  }
  if (field == "since_unix") return Json(1'700'000'000);
  return Json("sam\"ple\\\n");
}

class PolicyReader {
 public:
  explicit PolicyReader(const std::string& file) : reader_(file) {}

  Result<Policy> read(const std::string& text) {
    const Yaml root = reader_.parse(text);
    reader_.only_keys(root, {"dry_run", "limits", "rules"});
    Policy policy;
    policy.dry_run = reader_.boolean(root, "dry_run").value_or(policy.dry_run);
    const Yaml limits = reader_.child(root, "limits");
    reader_.only_keys(limits, {"automatic_actions_per_day", "cooldown", "diagnosis_wait"});
    policy.diagnosis_wait =
        reader_.duration(limits, "diagnosis_wait").value_or(policy.diagnosis_wait);
    policy.automatic_actions_per_day =
        at_least(limits, "automatic_actions_per_day", 0).value_or(policy.automatic_actions_per_day);
    cooldown_ = reader_.duration(limits, "cooldown").value_or(std::chrono::minutes(30));

    const std::vector<Yaml> rules = reader_.items(root, "rules");
    if (rules.size() > rules_max) {
      reader_.mistake(reader_.child(root, "rules"),
                      "more than " + std::to_string(rules_max) + " rules");
    }
    for (const Yaml& rule : rules) policy.rules.push_back(read_rule(rule));
    if (auto finished = reader_.finish(); !finished) return fail(finished);
    return policy;
  }

 private:
  Rule read_rule(const Yaml& yaml) {
    Rule rule;
    reader_.only_keys(yaml, {"name", "match", "abstain", "action", "approval", "after", "cooldown",
                             "webhook", "scale"});
    rule.name = required_text(yaml, "name");
    if (!rule.name.empty() && !is_name(rule.name)) {
      reader_.mistake(
          reader_.child(yaml, "name"),
          "expected a-z, 0-9 and '-', at most " + std::to_string(name_bytes_max) + " characters");
    }
    if (!rule.name.empty() && !names_.insert(rule.name).second) {
      reader_.mistake(reader_.child(yaml, "name"),
                      "another rule is called '" + rule.name + "' too");
    }
    rule.match = read_match(reader_.child(yaml, "match"));
    rule.after = reader_.duration(yaml, "after").value_or(Duration{});
    rule.abstain = reader_.text(yaml, "abstain").value_or("");
    if (has(yaml, "abstain")) {
      if (rule.abstain.empty())
        reader_.mistake(reader_.child(yaml, "abstain"), "expected the reason");
      for (const char* key : {"action", "webhook", "scale", "approval", "cooldown"}) {
        if (has(yaml, key)) reader_.mistake(reader_.child(yaml, key), "not beside 'abstain'");
      }
      return rule;
    }
    const std::string kind = required_text(yaml, "action");
    if (const auto parsed = parse_kind(kind)) {
      rule.kind = *parsed;
    } else if (!kind.empty()) {
      reader_.mistake(reader_.child(yaml, "action"),
                      "expected retrain, scale, rollback, ticket or notify, got '" + kind + "'");
    }
    const std::string approval = reader_.text(yaml, "approval").value_or("automatic");
    if (approval != "automatic" && approval != "required") {
      reader_.mistake(reader_.child(yaml, "approval"),
                      "expected automatic or required, got '" + approval + "'");
    }
    rule.approval_required = approval == "required";
    const Duration fallback = changes_production(rule.kind) ? cooldown_ : Duration{};
    rule.cooldown = reader_.duration(yaml, "cooldown").value_or(fallback);
    if (has(yaml, "scale")) rule.scale = read_scale(reader_.child(yaml, "scale"));
    has_scale_ = rule.scale.has_value();
    if (has(yaml, "webhook")) {
      rule.webhook = read_webhook(reader_.child(yaml, "webhook"));
      rule.tells_diagnosis = tells_diagnosis(rule.webhook);
    } else {
      reader_.mistake(yaml, "expected a webhook: where the action is sent");
    }
    return rule;
  }

  Match read_match(const Yaml& yaml) {
    Match match;
    reader_.only_keys(yaml, {"alert", "severity", "model", "cluster", "namespace", "workload",
                             "owner", "inputs", "labels"});
    match.alerts = reader_.texts(yaml, "alert");
    match.severities = reader_.texts(yaml, "severity");
    match.models = reader_.texts(yaml, "model");
    match.clusters = reader_.texts(yaml, "cluster");
    match.name_spaces = reader_.texts(yaml, "namespace");
    match.workloads = reader_.texts(yaml, "workload");
    match.owners = reader_.texts(yaml, "owner");
    for (const std::string& word : reader_.texts(yaml, "inputs")) {
      if (const auto inputs = incident::parse_inputs(word)) {
        match.inputs.push_back(*inputs);
      } else {
        reader_.mistake(reader_.child(yaml, "inputs"),
                        "expected unchanged, changed or not_judged, got '" + word + "'");
      }
    }
    const Yaml labels = reader_.child(yaml, "labels");
    for (const auto& [label, value] : reader_.entries(labels)) {
      match.labels.emplace_back(label, reader_.texts(labels, label));
    }
    return match;
  }

  Scale read_scale(const Yaml& yaml) {
    Scale scale;
    reader_.only_keys(yaml, {"current", "ratio", "min", "max"});
    scale.current = read_number(yaml, "current");
    scale.ratio = read_number(yaml, "ratio");
    scale.min = at_least(yaml, "min", 0).value_or(scale.min);
    scale.max = at_least(yaml, "max", 1).value_or(scale.max);
    if (scale.max < scale.min) reader_.mistake(reader_.child(yaml, "max"), "less than min");
    return scale;
  }

  Number read_number(const Yaml& parent, const char* key) {
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
      number.query = read_template(yaml, "query", Template::Place::promql);
    }
    return number;
  }

  Webhook read_webhook(const Yaml& yaml) {
    Webhook webhook;
    reader_.only_keys(yaml, {"url", "method", "headers", "body", "authorization", "ca_file",
                             "timeout", "retry_for", "accept", "job"});
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

  void read_target(const Yaml& yaml, Webhook& webhook) {
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

  std::string read_headers(const Yaml& yaml, Webhook& webhook) {
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

  void read_body(const Yaml& yaml, const std::string& content_type, Webhook& webhook) {
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

  void read_job(const Yaml& yaml, JobWatch& job) {
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

  std::string pointer(const Yaml& parent, const char* key, const std::string& fallback) {
    const std::string text = reader_.text(parent, key).value_or(fallback);
    if (!text.empty() && text.front() != '/') {
      reader_.mistake(reader_.child(parent, key), "expected a JSON pointer such as /job/url");
    }
    return text;
  }

  Template read_template(const Yaml& parent, const std::string& key, Template::Place place) {
    auto parsed = Template::parse(reader_.text(parent, key).value_or(""), place);
    if (!parsed) {
      reader_.mistake(reader_.child(parent, key), parsed.error().message);
      return {};
    }
    for (const std::string& field : parsed->fields()) {
      if (!is_known_field(field)) {
        std::string all;
        for (const std::string_view known : field_names()) all += std::string(known) + ", ";
        reader_.mistake(reader_.child(parent, key), "unknown placeholder '" + field +
                                                        "'; known are " + all +
                                                        "labels.NAME and annotations.NAME");
      } else if (field.starts_with("replicas.") && !has_scale_) {
        reader_.mistake(reader_.child(parent, key), "'" + field + "' needs the rule's 'scale'");
      }
    }
    return std::move(*parsed);
  }

  std::string required_text(const Yaml& parent, const char* key) {
    const auto text = reader_.text(parent, key);
    if (!has(parent, key) || (text && text->empty())) {
      reader_.mistake(parent, "'" + std::string(key) + "' is missing");
    }
    return text.value_or("");
  }

  std::optional<std::int64_t> at_least(const Yaml& parent, const char* key, std::int64_t low) {
    const auto number = reader_.integer(parent, key);
    if (!number || *number >= low) return number;
    reader_.mistake(reader_.child(parent, key), "expected at least " + std::to_string(low));
    return std::nullopt;
  }

  Duration positive(const Yaml& parent, const char* key, Duration fallback) {
    const Duration duration = reader_.duration(parent, key).value_or(fallback);
    if (duration > Duration{}) return duration;
    reader_.mistake(reader_.child(parent, key), "expected more than 0s");
    return fallback;
  }

  bool has(const Yaml& parent, const char* key) const {
    return reader_.child(parent, key).node.IsDefined();
  }

  YamlReader reader_;
  Duration cooldown_{};
  bool has_scale_ = false;  // Of the rule at hand.
  std::set<std::string> names_;
};

bool any_matches(const std::vector<std::string>& patterns, std::string_view text) {
  return patterns.empty() ||
         std::any_of(patterns.begin(), patterns.end(),
                     [text](const auto& pattern) { return glob_match(pattern, text); });
}

}  // namespace

const std::vector<std::string_view>& field_names() {
  static const std::vector<std::string_view> names = {
      "action",          "alert",      "brief",
      "cause",           "cause_kind", "cluster",
      "description",     "diagnosis",  "evidence",
      "idempotency_key", "incident",   "inputs",
      "model",           "namespace",  "opened",
      "owner",           "reason",     "replicas.current",
      "replicas.wanted", "rule",       "runbook_url",
      "severity",        "since",      "since_unix",
      "slices",          "summary",    "verdict",
      "version",         "workload"};
  return names;
}

bool glob_match(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_text = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p, ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool Match::holds(const incident::Incident& incident) const {
  if (!any_matches(alerts, incident.alert) || !any_matches(severities, incident.severity) ||
      !any_matches(models, incident.model) || !any_matches(clusters, incident.cluster) ||
      !any_matches(name_spaces, incident.name_space) ||
      !any_matches(workloads, incident.workload) || !any_matches(owners, incident.owner)) {
    return false;
  }
  if (!inputs.empty() && std::find(inputs.begin(), inputs.end(), incident.inputs) == inputs.end()) {
    return false;
  }
  return std::all_of(labels.begin(), labels.end(), [&incident](const auto& wanted) {
    return any_matches(wanted.second, incident.labels.get(wanted.first));
  });
}

Result<Policy> parse_policy(const std::string& file, const std::string& text) {
  return PolicyReader(file).read(text);
}

}  // namespace outrider::decide
