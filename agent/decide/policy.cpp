// SPDX-License-Identifier: Apache-2.0
#include "agent/decide/policy.h"

#include <algorithm>
#include <set>

#include "agent/decide/rule_pieces.h"
#include "agent/decide/runbook.h"
#include "base/core/text.h"

namespace outrider::decide {
namespace {

using config::Yaml;
using config::YamlReader;
using wire::Json;

constexpr std::size_t rules_max = 200;
constexpr std::size_t name_bytes_max = 60;
bool is_name(std::string_view text) {
  if (text.empty() || text.size() > name_bytes_max) return false;
  for (const char c : text) {
    if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-') return false;
  }
  return true;
}

bool names_diagnosis(const Template& text) {
  const auto& names = diagnosis_field_names();
  const std::vector<std::string> fields = text.fields();
  return std::any_of(fields.begin(), fields.end(), [&names](const std::string& field) {
    return std::find(names.begin(), names.end(), field) != names.end();
  });
}

bool tells_diagnosis(const Rule& rule) {
  std::vector<const Template*> templates = {&rule.webhook.url, &rule.webhook.body};
  for (const auto& [header, text] : rule.webhook.headers) templates.push_back(&text);
  for (const auto& [place, text] : rule.target.texts) templates.push_back(&text);
  for (const StepRule& step : rule.steps) {
    templates.insert(templates.end(), {&step.webhook.url, &step.webhook.body});
    for (const auto& [place, text] : step.target.texts) templates.push_back(&text);
  }
  return std::any_of(templates.begin(), templates.end(),
                     [](const Template* one) { return names_diagnosis(*one); });
}

class PolicyReader {
 public:
  PolicyReader(const std::string& file, const Executors& executors)
      : executors_(executors), reader_(file), pieces_(reader_) {}

  Result<Policy> read(const std::string& text) {
    const Yaml root = reader_.parse(text);
    reader_.only_keys(root, {"dry_run", "limits", "rules"});
    Policy policy;
    policy.dry_run = reader_.boolean(root, "dry_run").value_or(policy.dry_run);
    read_limits(reader_.child(root, "limits"), policy);
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
  void read_limits(const Yaml& limits, Policy& policy) {
    reader_.only_keys(
        limits, {"automatic_actions_per_day", "cooldown", "diagnosis_wait", "failure_domain",
                 "quiet_hours", "actions_per_hour", "strikes", "pods_per_owner", "start_within"});
    policy.diagnosis_wait =
        reader_.duration(limits, "diagnosis_wait").value_or(policy.diagnosis_wait);
    policy.automatic_actions_per_day = pieces_.at_least(limits, "automatic_actions_per_day", 0)
                                           .value_or(policy.automatic_actions_per_day);
    policy.actions_per_hour =
        pieces_.at_least(limits, "actions_per_hour", 0).value_or(policy.actions_per_hour);
    policy.strikes = pieces_.at_least(limits, "strikes", 1).value_or(policy.strikes);
    policy.pods_per_owner =
        pieces_.at_least(limits, "pods_per_owner", 1).value_or(policy.pods_per_owner);
    policy.start_within = pieces_.positive(limits, "start_within", policy.start_within);
    cooldown_ = reader_.duration(limits, "cooldown").value_or(std::chrono::minutes(30));
    for (const Yaml& hours : reader_.items(limits, "quiet_hours"))
      policy.quiet_hours.push_back(pieces_.read_quiet_hours(hours));
    if (has(limits, "failure_domain")) read_domain(limits, policy.failure_domain);
  }

  void read_domain(const Yaml& limits, FailureDomain& domain) {
    domain = {.cluster = false, .name_space = false};
    for (const std::string& part : reader_.texts(limits, "failure_domain")) {
      if (part == "cluster") {
        domain.cluster = true;
      } else if (part == "namespace") {
        domain.name_space = true;
      } else if (part == "workload") {
        domain.workload = true;
      } else if (part == "model") {
        domain.model = true;
      } else {
        reader_.mistake(reader_.child(limits, "failure_domain"),
                        "expected cluster, namespace, workload or model, got '" + part + "'");
      }
    }
  }

  Rule read_rule(const Yaml& yaml) {
    Rule rule;
    reader_.only_keys(yaml, {"name", "match", "abstain", "action", "approval", "after", "cooldown",
                             "webhook", "scale", "precondition", "verify", "undo", "undo_within",
                             "expires", "pods", "kubernetes", "ticket", "runbook"});
    rule.name = pieces_.required_text(yaml, "name");
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
      for (const char* key :
           {"action", "webhook", "scale", "approval", "cooldown", "precondition", "verify", "undo",
            "undo_within", "expires", "pods", "kubernetes", "ticket", "runbook"}) {
        if (has(yaml, key)) reader_.mistake(reader_.child(yaml, key), "not beside 'abstain'");
      }
      return rule;
    }
    read_action(yaml, rule);
    return rule;
  }

  void read_action(const Yaml& yaml, Rule& rule) {
    const std::string kind = pieces_.required_text(yaml, "action");
    if (const auto parsed = parse_kind(kind)) {
      rule.kind = *parsed;
    } else if (!kind.empty()) {
      reader_.mistake(
          reader_.child(yaml, "action"),
          "expected retrain, scale, rollback, restart, runbook, ticket or notify, got '" + kind +
              "'");
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
    pieces_.set_has_scale(rule.scale.has_value());
    read_effect(yaml, rule);
    read_care(yaml, rule);
    rule.tells_diagnosis = tells_diagnosis(rule);
  }

  // A webhook, or an executor's target.
  void read_effect(const Yaml& yaml, Rule& rule) {
    const bool is_runbook = rule.kind == Kind::runbook;
    if (is_runbook || has(yaml, "runbook")) {
      if (!is_runbook || !has(yaml, "runbook")) {
        reader_.mistake(yaml, "expected action: runbook and the steps under runbook:");
      }
      for (const char* key : {"webhook", "kubernetes", "ticket", "undo"}) {
        if (has(yaml, key))
          reader_.mistake(reader_.child(yaml, key), "not beside 'runbook': its steps have it");
      }
      return read_runbook(yaml, rule);
    }
    StepRule only;
    only.kind = rule.kind;
    read_request(yaml, only);
    rule.webhook = std::move(only.webhook);
    rule.target = std::move(only.target);
    if (!rule.target.executor.empty()) {
      rule.always_asks = asks_for(rule.target, rule.kind);
      rule.undo_by_executor = only.undo_by_executor;
    }
  }

  void read_request(const Yaml& yaml, StepRule& step) {
    std::size_t count = has(yaml, "webhook");
    if (count > 0) step.webhook = pieces_.read_webhook(reader_.child(yaml, "webhook"));
    for (const char* key : {"kubernetes", "ticket"}) {
      if (!has(yaml, key)) continue;
      ++count;
      step.target = pieces_.read_target_of(key, reader_.child(yaml, key));
      check_target(reader_.child(yaml, key), step);
    }
    if (count == 0) reader_.mistake(yaml, "expected a webhook: where the action is sent");
    if (count > 1) reader_.mistake(yaml, "expected one of webhook, kubernetes and ticket");
  }

  void read_runbook(const Yaml& yaml, Rule& rule) {
    const std::vector<Yaml> steps = reader_.items(yaml, "runbook");
    if (steps.empty() || steps.size() > runbook_steps_max) {
      reader_.mistake(reader_.child(yaml, "runbook"),
                      "expected 1 to " + std::to_string(runbook_steps_max) + " steps");
    }
    std::set<std::string> names;
    for (const Yaml& step : steps) {
      rule.steps.push_back(read_step(step));
      if (!names.insert(rule.steps.back().name).second)
        reader_.mistake(reader_.child(step, "name"), "another step has this name too");
      const StepRule& read = rule.steps.back();
      rule.undo_by_executor |= read.undo || read.undo_by_executor;
      const std::string asks = asks_for(read.target, read.kind);
      if (!asks.empty()) rule.always_asks = "step " + read.name + ": " + asks;
    }
  }

  StepRule read_step(const Yaml& yaml) {
    StepRule step;
    reader_.only_keys(yaml, {"name", "action", "webhook", "kubernetes", "ticket", "check", "undo"});
    step.name = pieces_.required_text(yaml, "name");
    if (!step.name.empty() && !is_name(step.name))
      reader_.mistake(reader_.child(yaml, "name"), "expected a-z, 0-9 and '-'");
    const std::string kind = reader_.text(yaml, "action").value_or("notify");
    const auto parsed = parse_kind(kind);
    if (!parsed || *parsed == Kind::runbook) {
      reader_.mistake(
          reader_.child(yaml, "action"),
          "expected retrain, scale, rollback, restart, ticket or notify, got '" + kind + "'");
    }
    step.kind = parsed.value_or(Kind::notify);
    read_request(yaml, step);
    if (has(yaml, "check")) {
      step.check = pieces_.read_verify(reader_.child(yaml, "check"));
      if (step.check->incident_ended)
        reader_.mistake(reader_.child(yaml, "check"), "expected query: PROMQL");
    }
    if (has(yaml, "undo")) {
      step.undo = read_undo(yaml);
      step.undo_by_executor = false;
    }
    return step;
  }

  std::string asks_for(const Target& target, Kind kind) const {
    const auto executor = executors_.find(target.executor);
    if (executor == executors_.end()) return {};
    const auto sample = sample_of(target);
    return sample ? executor->second->always_asks(kind, *sample) : std::string();
  }

  static Result<wire::Json> sample_of(const Target& target) {
    return target.render([](std::string_view field) {
      return field.starts_with("replicas.") ? Json(3) : Json("x");
    });
  }

  void check_target(const Yaml& at, StepRule& rule) {
    const auto executor = executors_.find(rule.target.executor);
    if (executor == executors_.end()) {
      reader_.mistake(at, "this agent has no executor '" + rule.target.executor +
                              "': use a webhook, or start the agent with what it needs");
      return;
    }
    for (const auto& [place, text] : rule.target.texts) {
      if (executor->second->takes_placeholder(place)) continue;
      reader_.mistake(at, place.substr(1) +
                              ": no placeholder here: labels must not choose who is " +
                              "asked, or with which secret");
    }
    const auto sample = sample_of(rule.target);
    if (!sample) return reader_.mistake(at, sample.error().message);
    if (const auto fits = executor->second->check_target(rule.kind, *sample); !fits)
      return reader_.mistake(at, fits.error().message);
    rule.undo_by_executor = executor->second->can_undo(rule.kind, *sample);
  }

  // Before, after, and how it is taken back.
  void read_care(const Yaml& yaml, Rule& rule) {
    if (has(yaml, "precondition")) rule.precondition = pieces_.read_condition(yaml, "precondition");
    if (has(yaml, "verify")) rule.verify = pieces_.read_verify(reader_.child(yaml, "verify"));
    rule.undo_within = pieces_.positive(yaml, "undo_within", rule.undo_within);
    rule.expires = pieces_.positive(yaml, "expires", rule.expires);
    if (has(yaml, "pods")) rule.pods = pieces_.read_number(yaml, "pods");
    if (!has(yaml, "undo") || rule.kind == Kind::runbook) return;
    rule.undo = read_undo(yaml);
    rule.undo_by_executor = false;
    if (rule.undo && !rule.verify) {
      reader_.mistake(reader_.child(yaml, "undo"),
                      "an undo needs the rule's 'verify', which says when it is due");
    }
  }

  // Nothing: `false`, never.
  std::optional<Webhook> read_undo(const Yaml& yaml) {
    const Yaml undo = reader_.child(yaml, "undo");
    if (undo.node.IsScalar()) {
      if (reader_.boolean(yaml, "undo").value_or(true))
        reader_.mistake(undo, "expected {webhook: …}, or false: never");
      return std::nullopt;
    }
    reader_.only_keys(undo, {"webhook"});
    if (has(undo, "webhook")) return pieces_.read_webhook(reader_.child(undo, "webhook"));
    reader_.mistake(undo, "expected {webhook: …}");
    return std::nullopt;
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
    reader_.only_keys(yaml, {"current", "ratio", "min", "max", "max_step"});
    scale.current = pieces_.read_number(yaml, "current");
    scale.ratio = pieces_.read_number(yaml, "ratio");
    scale.min = pieces_.at_least(yaml, "min", 0).value_or(scale.min);
    scale.max = pieces_.at_least(yaml, "max", 1).value_or(scale.max);
    scale.max_step = pieces_.at_least(yaml, "max_step", 1).value_or(scale.max_step);
    if (scale.max < scale.min) reader_.mistake(reader_.child(yaml, "max"), "less than min");
    return scale;
  }

  bool has(const Yaml& parent, const char* key) const { return pieces_.has(parent, key); }

  const Executors& executors_;
  YamlReader reader_;
  RulePieces pieces_;
  Duration cooldown_{};
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
      "seen_before",     "severity",   "since",
      "since_unix",      "slices",     "summary",
      "verdict",         "version",    "workload"};
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

bool FailureDomain::may_share(const incident::Identity& a, const incident::Identity& b) const {
  const auto same = [](bool counts, const std::string& x, const std::string& y) {
    return !counts || x.empty() || y.empty() || x == y;
  };
  return same(cluster, a.cluster, b.cluster) && same(name_space, a.name_space, b.name_space) &&
         same(workload, a.workload, b.workload) && same(model, a.model, b.model);
}

std::string FailureDomain::text(const incident::Identity& who) const {
  std::string text;
  const auto add = [&text](bool counts, const char* part, const std::string& value) {
    if (counts && !value.empty()) text += (text.empty() ? "" : " ") + (part + ("=" + value));
  };
  add(cluster, "cluster", who.cluster);
  add(name_space, "namespace", who.name_space);
  add(workload, "workload", who.workload);
  add(model, "model", who.model);
  return text.empty() ? "the fleet" : text;
}

const QuietHours* quiet_at(const std::vector<QuietHours>& all, Time now) {
  const auto day = std::chrono::floor<std::chrono::days>(now);
  const std::size_t today = std::chrono::weekday(day).c_encoding();
  const auto minute = static_cast<int>(std::chrono::floor<std::chrono::minutes>(now - day).count());
  for (const QuietHours& hours : all) {
    const bool began_today = hours.days[today], began_yesterday = hours.days[(today + 6) % 7];
    const bool over_night = hours.to <= hours.from;
    if (!over_night && began_today && minute >= hours.from && minute < hours.to) return &hours;
    if (over_night && began_today && minute >= hours.from) return &hours;
    if (over_night && began_yesterday && minute < hours.to) return &hours;
  }
  return nullptr;
}

std::optional<Time> next_edge(const std::vector<QuietHours>& all, Time now) {
  std::optional<Time> next;
  const auto today = std::chrono::floor<std::chrono::days>(now);
  for (const QuietHours& hours : all) {
    for (int offset = -1; offset <= 7; ++offset) {
      const auto day = today + std::chrono::days(offset);
      if (!hours.days[std::chrono::weekday(day).c_encoding()]) continue;
      const int to = hours.to <= hours.from ? hours.to + 24 * 60 : hours.to;
      for (const int minute : {hours.from, to}) {
        const Time edge = day + std::chrono::minutes(minute);
        if (edge > now && (!next || edge < *next)) next = edge;
      }
    }
  }
  return next;
}

Result<Json> Target::render(const Template::Fields& fields) const {
  Json json = raw;
  for (const auto& [place, text] : texts) {
    auto value = text.render(fields);
    if (!value) return fail(value);
    json[Json::json_pointer(place)] = std::move(*value);
  }
  return json;
}

Result<Policy> parse_policy(const std::string& file, const std::string& text,
                            const Executors& executors) {
  return PolicyReader(file, executors).read(text);
}

}  // namespace outrider::decide
