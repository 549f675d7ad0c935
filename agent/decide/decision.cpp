// SPDX-License-Identifier: Apache-2.0
#include "agent/decide/decision.h"

#include <algorithm>
#include <cmath>

#include "agent/decide/runbook.h"
#include "agent/incident/evidence.h"
#include "base/core/text.h"

namespace outrider::decide {
namespace {

using incident::Incident;
using wire::Json;

// Unique a rule and an episode of an incident; letters, digits and '-' only, so that receivers can
// use it as a name.
std::string idempotency_key(const Rule& rule, const Incident& incident, const std::string& suffix) {
  std::string key = rule.name + "-" + incident.id;
  if (incident.episodes > 1) key += "-" + std::to_string(to_unix_ms(incident.episode_at));
  return key + suffix;
}

// Tells the models of one incident apart; letters, digits and '-'.
std::string key_part(const Incident& told) {
  std::string part;
  for (const std::string* text : {&told.cluster, &told.name_space, &told.workload, &told.model}) {
    if (text->empty()) continue;
    if (!part.empty()) part += '-';
    for (const char c : *text)
      part += (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '-';
  }
  return part;
}

std::string evidence_text(const Incident& incident) {
  std::string text;
  for (const incident::Evidence& line : incident.evidence)
    text += (text.empty() ? "" : " ") + line.text;
  return text;
}

std::string brief_text(const Incident& incident) {
  std::string text;
  for (const std::string& line : incident::brief_lines(incident))
    text += (text.empty() ? "" : "\n") + line;
  return text;
}

// Until when a rule waits: to be old enough, or, where it tells the diagnosis, for one that names a
// cause. Nothing: it does not.
std::optional<Time> waits_until(const Rule& rule, const Policy& policy, const Incident& incident,
                                Time now) {
  if (now - incident.opened_at < rule.after) return incident.opened_at + rule.after;
  if (!rule.abstain.empty()) return std::nullopt;
  // Without suspects, as where no Prometheus is given, nothing better comes.
  const bool done =
      incident.diagnosis && (incident.diagnosis->named || incident.diagnosis->suspects == 0);
  const Time began = std::max(incident.opened_at, incident.episode_at);
  const bool waits = rule.tells_diagnosis && !done && now - began < policy.diagnosis_wait;
  return waits ? std::optional(began + policy.diagnosis_wait) : std::nullopt;
}

struct Replicas {
  double current = 0;
  double wanted = 0;
};

// The value of a field for this incident and rule; nothing when the incident does not have it.
class IncidentFields {
 public:
  IncidentFields(const Incident& incident, const Rule& rule, std::string key,
                 const std::optional<Replicas>& replicas)
      : incident_(incident), rule_(rule), key_(std::move(key)), replicas_(replicas) {}

  std::optional<Json> operator()(std::string_view field) const {
    if (field.starts_with("labels.")) return present(incident_.labels.get(field.substr(7)));
    if (field.starts_with("annotations."))
      return present(incident_.annotations.get(field.substr(12)));
    if (const auto found = of_diagnosis(field)) return found;
    if (field == "action") return Json(name(rule_.kind));
    if (field == "alert") return Json(incident_.alert);
    if (field == "cluster") return present(incident_.cluster);
    if (field == "description") return Json(incident_.annotations.get("description"));
    if (field == "evidence") return Json(evidence_text(incident_));
    if (field == "idempotency_key") return Json(key_);
    if (field == "incident") return Json(incident_.id);
    if (field == "inputs") return Json(name(incident_.inputs));
    if (field == "model") return present(incident_.model);
    if (field == "namespace") return present(incident_.name_space);
    if (field == "opened") return Json(format_rfc3339(incident_.opened_at));
    if (field == "owner") return present(incident_.owner);
    if (field == "reason") return Json(incident_.summary);
    if (field == "rule") return Json(rule_.name);
    if (field == "runbook_url") return Json(incident_.annotations.get("runbook_url"));
    if (field == "severity") return Json(incident_.severity);
    if (field == "since") return incident_.since ? Json(format_rfc3339(*incident_.since)) : Json();
    if (field == "since_unix") {
      return incident_.since ? Json(static_cast<double>(to_unix_ms(*incident_.since)) / 1000)
                             : Json();
    }
    if (field == "summary") return Json(incident_.annotations.get("summary"));
    if (field == "version") return incident_.version.empty() ? Json() : Json(incident_.version);
    if (field == "workload") return present(incident_.workload);
    if (replicas_ && field == "replicas.current") return whole(replicas_->current);
    if (replicas_ && field == "replicas.wanted") return whole(replicas_->wanted);
    return std::nullopt;
  }

 private:
  // null, not absent: a message goes out without a diagnosis where there is none.
  std::optional<Json> of_diagnosis(std::string_view field) const {
    const auto& diagnosis = incident_.diagnosis;
    const bool named = diagnosis && diagnosis->named && !diagnosis->causes.empty();
    if (field == "brief") return Json(brief_text(incident_));
    if (field == "cause") return named ? Json(diagnosis->causes.front().component) : Json();
    if (field == "cause_kind") return named ? Json(diagnosis->causes.front().kind) : Json();
    if (field == "diagnosis") return diagnosis ? Json(diagnosis->sentence) : Json();
    if (field == "seen_before") {
      return diagnosis && !diagnosis->earlier.sentence.empty() ? Json(diagnosis->earlier.sentence)
                                                               : Json();
    }
    if (field == "slices") return incident_.slices ? Json(incident_.slices->summary) : Json();
    if (field == "verdict") {
      return diagnosis ? Json(diagnosis->named ? "cause" : "insufficient_evidence") : Json();
    }
    return std::nullopt;
  }
  static std::optional<Json> present(std::string_view text) {
    return text.empty() ? std::nullopt : std::optional(Json(text));
  }
  static Json whole(double value) { return Json(static_cast<std::int64_t>(value)); }

  const Incident& incident_;
  const Rule& rule_;
  std::string key_;
  const std::optional<Replicas>& replicas_;
};

Result<std::string> query_text(const Number& number, const Incident& incident, const Rule& rule) {
  const std::optional<Replicas> none;
  return number.query.render(IncidentFields(incident, rule, "", none));
}

Result<double> value_of(const Number& number, const char* what, const Incident& incident,
                        const Rule& rule, const Answers& answers) {
  const auto unknown = [what](const std::string& why) {
    return fail("unknown_number", std::string(what) + " is not known: " + why);
  };
  std::string text;
  switch (number.source) {
    case Number::Source::fixed:
      return number.value;
    case Number::Source::query: {
      const auto query = query_text(number, incident, rule);
      if (!query) return unknown(query.error().message);
      const auto found = answers.find(*query);
      if (found == answers.end()) return unknown("no one value answers " + *query);
      if (!std::isfinite(found->second)) return unknown("not finite: " + *query);
      return found->second;
    }
    case Number::Source::label:
      text = incident.labels.get(number.name);
      break;
    case Number::Source::annotation:
      text = incident.annotations.get(number.name);
      break;
  }
  const auto value = parse_double(text);
  if (!value || !std::isfinite(*value)) {
    return unknown("the alert's '" + number.name + "' is " +
                   (text.empty() ? "absent" : "'" + text + "'"));
  }
  return *value;
}

Result<Replicas> count_replicas(const Scale& scale, const Incident& incident, const Rule& rule,
                                const Answers& answers) {
  const auto current = value_of(scale.current, "scale.current", incident, rule, answers);
  if (!current) return fail(current);
  const auto ratio = value_of(scale.ratio, "scale.ratio", incident, rule, answers);
  if (!ratio) return fail(ratio);
  // Both numbers come rounded, so that 3 x 2.667 is meant to be 8: a hundredth is no replica.
  const double wanted = std::ceil(*current * *ratio - 0.01);
  const auto step = static_cast<double>(scale.max_step);
  const double kept = std::clamp(std::clamp(wanted, *current - step, *current + step),
                                 static_cast<double>(scale.min), static_cast<double>(scale.max));
  if (kept == *current) {
    return fail("no_change",
                "scale: " + format_double(*current) + " replicas are already what is wanted" +
                    (wanted > kept ? ", as the policy's max is " + std::to_string(scale.max)
                                   : std::string()));
  }
  return Replicas{*current, kept};
}

// The incident as each of its signals tells it: a rule is about one alert, its labels and model.
std::vector<Incident> told_by_all(const Incident& incident) {
  std::vector<Incident> told;
  if (incident.grouped.empty()) return told;
  Incident rest = incident;
  rest.members.clear();
  rest.grouped.clear();
  for (const incident::Signal& signal : incident.grouped) told.push_back(as_told_by(rest, signal));
  return told;
}

// Those that a rule matches. What tells people is about the incident, once; what changes production
// is about a model, so each model's is one.
std::vector<const Incident*> matching(const Rule& rule, const Incident& incident,
                                      const std::vector<Incident>& others) {
  std::vector<const Incident*> found;
  const auto consider = [&](const Incident& one) {
    if (!rule.match.holds(one)) return;
    if (!found.empty() && (!rule.abstain.empty() || !changes_production(rule.kind))) return;
    for (const Incident* known : found) {
      if (may_be_same(known->identity(), one.identity())) return;
    }
    found.push_back(&one);
  };
  consider(incident);
  for (const Incident& one : others) consider(one);
  return found;
}

Result<Delivery> render(const Webhook& webhook, const IncidentFields& fields,
                        const std::string& key) {
  Delivery delivery = webhook.defaults;
  delivery.method = webhook.method;
  auto url = webhook.url.render(fields);
  if (!url) return fail(url);
  delivery.url = std::move(*url);
  for (const auto& [header, text] : webhook.headers) {
    auto value = text.render(fields);
    if (!value) return fail(value);
    delivery.headers.emplace_back(header, std::move(*value));
  }
  delivery.headers.emplace_back("Idempotency-Key", key);
  auto body = webhook.body.render(fields);
  if (!body) return fail(body);
  delivery.body = std::move(*body);
  return delivery;
}

std::optional<Time> cooled_at(const Rule& rule, const incident::Identity& who,
                              const std::vector<Past>& past) {
  std::optional<Time> until;
  for (const Past& one : past) {
    if (one.kind == rule.kind && may_be_same(one.who, who)) {
      until = std::max(until.value_or(one.at + rule.cooldown), one.at + rule.cooldown);
    }
  }
  return until;
}

void hold(Action& action, Outcome outcome, std::string reason, bool needs_approval = false) {
  action.stage = Stage::held;
  action.outcome = outcome;
  action.reason = std::move(reason);
  action.needs_approval = needs_approval;
}

Action action_of(const Rule& rule, const Incident& incident, std::string key, Time now) {
  Action action;
  action.id = std::move(key);
  action.incident = incident.id;
  action.rule = rule.name;
  action.kind = rule.kind;
  action.model = incident.model;
  action.version = incident.version;
  action.cluster = incident.cluster;
  action.name_space = incident.name_space;
  action.workload = incident.workload;
  action.owner = incident.owner;
  action.created_at = action.updated_at = action.next_at = now;
  return action;
}

Result<Condition> condition_of(const Template& text, const IncidentFields& fields) {
  const auto query = text.render(fields);
  if (!query) return fail(query);
  return parse_condition(*query);
}

Result<RunbookStep> step_of(const StepRule& rule, const std::string& action,
                            const IncidentFields& fields) {
  RunbookStep step;
  step.name = rule.name;
  step.kind = rule.kind;
  step.executor = rule.target.executor;
  step.undo_by_executor = rule.undo_by_executor;
  if (step.executor.empty()) {
    auto delivery = render(rule.webhook, fields, step_key(action, step, false));
    if (!delivery) return fail(delivery);
    step.delivery = std::move(*delivery);
  } else {
    auto target = rule.target.render(fields);
    if (!target) return fail(target);
    step.target = std::move(*target);
    step.delivery.job.enabled = false;
  }
  if (rule.undo) {
    auto undo = render(*rule.undo, fields, step_key(action, step, true));
    if (!undo) return fail(undo);
    step.undo = std::move(*undo);
  }
  if (!rule.check) return step;
  auto condition = condition_of(rule.check->query, fields);
  if (!condition) return fail(condition);
  step.check = Verify{.condition = std::move(*condition),
                      .within = rule.check->within,
                      .lasting = rule.check->lasting};
  return step;
}

Result<void> write_steps(Action& action, const Rule& rule, const IncidentFields& fields) {
  Runbook runbook;
  for (const StepRule& one : rule.steps) {
    auto step = step_of(one, action.id, fields);
    if (!step) return fail(step);
    runbook.push_back(std::move(*step));
  }
  action.plan.executor = "runbook";
  action.plan.target = to_json(runbook);
  action.delivery.job.timeout = longest(runbook);
  return {};
}

// Everything that follows from rule and incident: the request, or the executor's target; what must
// hold before; how it is verified and undone.
Result<void> write_down(Action& action, const Rule& rule, const Policy& policy,
                        const IncidentFields& fields) {
  Plan& plan = action.plan;
  plan.expires = rule.expires;
  plan.start_within = policy.start_within;
  plan.undo_within = rule.undo_within;
  plan.domain = policy.failure_domain.text(action.identity());
  plan.executor = rule.target.executor;
  plan.undo_by_executor = rule.undo_by_executor;
  if (!rule.steps.empty()) {
    if (auto steps = write_steps(action, rule, fields); !steps) return steps;
  } else if (plan.executor.empty()) {
    auto delivery = render(rule.webhook, fields, action.id);
    if (!delivery) return fail(delivery);
    action.delivery = std::move(*delivery);
  } else {
    auto target = rule.target.render(fields);
    if (!target) return fail(target);
    plan.target = std::move(*target);
  }
  if (rule.undo) {
    auto undo = render(*rule.undo, fields, action.id + "-undo");
    if (!undo) return fail(undo);
    plan.undo = std::move(*undo);
  }
  if (rule.precondition) {
    auto condition = condition_of(*rule.precondition, fields);
    if (!condition) return fail(condition);
    plan.precondition = std::move(*condition);
  }
  if (!rule.verify) return {};
  plan.verify = Verify{.condition = {},
                       .incident_ended = rule.verify->incident_ended,
                       .within = rule.verify->within,
                       .lasting = rule.verify->lasting};
  if (plan.verify->incident_ended) return {};
  auto condition = condition_of(rule.verify->query, fields);
  if (!condition) return fail(condition);
  plan.verify->condition = std::move(*condition);
  return {};
}

// What the conditions say now, as evidence of the time before; and whether the first holds.
Reading note_at_decision(Action& action, const Condition& condition, const char* of,
                         const Situation& situation, Time now) {
  Reading reading = read_condition(condition, situation.answer_to(condition.query),
                                   situation.answer_to(condition.left));
  reading.of = of;
  reading.at = now;
  note(action, reading);
  return reading;
}

std::optional<double> pods_of(const Rule& rule, const Incident& incident,
                              const std::optional<Replicas>& replicas, const Answers& answers) {
  if (rule.pods) {
    const auto value = value_of(*rule.pods, "pods", incident, rule, answers);
    return value ? std::optional(*value) : std::nullopt;
  }
  if (replicas) return std::max(replicas->current, replicas->wanted);
  return std::nullopt;
}

bool asks_prometheus(const Rule& rule) {
  const auto asks = [](const Number& number) { return number.source == Number::Source::query; };
  return rule.precondition ||
         (rule.scale && (asks(rule.scale->current) || asks(rule.scale->ratio))) ||
         (rule.pods && asks(*rule.pods));
}

struct Decided {
  Action action;
  Causes causes = {};  // Of one that is held.
};

// Its request is written down, and all that the incident and the data say speaks for it.
void let_go_or_hold(Decided& decided, const Rule& rule, const Policy& policy, bool scales_in,
                    const std::vector<Past>& past, const Situation& situation, Time now) {
  Action& action = decided.action;
  const auto until = cooled_at(rule, action.identity(), past);
  if (until && now < *until) {
    hold(action, Outcome::suppressed,
         "cool-down of " + format_duration(rule.cooldown) + " after the last " +
             std::string(name(rule.kind)) + ", until " + incident::plain_time(*until));
    decided.causes.soonest(*until);
  } else if (policy.dry_run) {
    hold(action, Outcome::recommended, "dry run: the policy sends nothing");
  } else if (auto back = held_back(policy, rule, action, past, situation, now)) {
    hold(action, back->outcome, std::move(back->reason), back->needs_approval);
    decided.causes.add(back->causes);
  } else if (scales_in && !action.plan.precondition) {
    hold(action, Outcome::recommended,
         "it scales in, and the rule has no 'precondition' that is read again before it: a person "
         "must approve",
         true);
  } else {
    action.stage = Stage::queued;
    action.reason = "the policy allows it";
    action.queued_at = now;
  }
}

Decided act_on(const Rule& rule, const Policy& policy, const Incident& incident, std::string key,
               const std::vector<Past>& past, const Answers& answers, const Situation& situation,
               Time now) {
  Decided decided{.action = action_of(rule, incident, std::move(key), now),
                  .causes = {.answers = asks_prometheus(rule)}};
  if (changes_production(rule.kind) || rule.cooldown > Duration{})
    decided.causes.events.insert(course_of(rule.kind, incident.model));
  Action& action = decided.action;
  std::optional<Replicas> replicas;
  if (rule.scale) {
    const auto counted = count_replicas(*rule.scale, incident, rule, answers);
    if (!counted) {
      hold(action, Outcome::suppressed, counted.error().message);
      return decided;
    }
    replicas = *counted;
  }
  const IncidentFields fields(incident, rule, action.id, replicas);
  if (const auto written = write_down(action, rule, policy, fields); !written) {
    hold(action, Outcome::failed, "the request cannot be written: " + written.error().message);
    return decided;
  }
  action.plan.pods = pods_of(rule, incident, replicas, answers);
  if (action.plan.verify && !action.plan.verify->incident_ended)
    note_at_decision(action, action.plan.verify->condition, "verify", situation, now);
  const bool scales_in = replicas && replicas->wanted < replicas->current;
  if (scales_in && is_forecast(rule, incident)) {
    hold(action, Outcome::suppressed, "nothing is scaled in on a forecast");
    return decided;
  }
  if (action.plan.precondition) {
    const Reading before =
        note_at_decision(action, *action.plan.precondition, "precondition", situation, now);
    if (!before.holds) {
      hold(action, Outcome::suppressed, "the precondition does not hold: " + before.words);
      return decided;
    }
  }
  let_go_or_hold(decided, rule, policy, scales_in, past, situation, now);
  return decided;
}

// Each rule that matches, with the incident as it is told for it, until one abstains.
template <class Visit>
void for_each_match(const Policy& policy, const Incident& incident, const Visit& visit) {
  const std::vector<Incident> others = told_by_all(incident);
  for (const Rule& rule : policy.rules) {
    const std::vector<const Incident*> matched = matching(rule, incident, others);
    if (matched.empty()) continue;
    if (!rule.abstain.empty()) break;
    for (const Incident* one : matched) visit(rule, *one);
  }
}

}  // namespace

std::vector<std::string> queries(const Policy& policy, const Incident& incident) {
  std::vector<std::string> wanted;
  for_each_match(policy, incident, [&](const Rule& rule, const Incident& one) {
    std::vector<const Number*> numbers;
    if (rule.scale) numbers = {&rule.scale->current, &rule.scale->ratio};
    if (rule.pods) numbers.push_back(&*rule.pods);
    for (const Number* number : numbers) {
      if (number->source != Number::Source::query) continue;
      if (auto text = query_text(*number, one, rule)) wanted.push_back(std::move(*text));
    }
  });
  return wanted;
}

std::vector<std::string> conditions(const Policy& policy, const Incident& incident,
                                    const Answers& answers) {
  std::vector<std::string> wanted;
  for_each_match(policy, incident, [&](const Rule& rule, const Incident& one) {
    std::vector<const Template*> texts;
    if (rule.precondition) texts.push_back(&*rule.precondition);
    if (rule.verify && !rule.verify->incident_ended) texts.push_back(&rule.verify->query);
    std::optional<Replicas> replicas;
    if (rule.scale) {
      if (const auto counted = count_replicas(*rule.scale, one, rule, answers)) replicas = *counted;
    }
    for (const Template* text : texts) {
      const auto condition = condition_of(*text, IncidentFields(one, rule, "", replicas));
      if (!condition) continue;
      wanted.push_back(condition->query);
      if (!condition->left.empty()) wanted.push_back(condition->left);
    }
  });
  return wanted;
}

Decisions decide(const Policy& policy, const Incident& incident, const std::vector<Past>& past,
                 const std::set<std::string>& settled, const Answers& answers, Time now,
                 const Situation& situation) {
  Decisions decisions;
  std::vector<Past> with_own = past;     // Two rules of one kind share the cool-down at once …
  std::optional<Situation> with_let_go;  // … and all of them the failure domain.
  const Situation* around = &situation;
  const std::vector<Incident> others = told_by_all(incident);
  for (const Rule& rule : policy.rules) {
    const std::vector<const Incident*> matched = matching(rule, incident, others);
    if (matched.empty()) continue;
    if (const auto until = waits_until(rule, policy, incident, now)) {
      decisions.causes.soonest(*until);
      continue;
    }
    if (!rule.abstain.empty()) {
      decisions.abstained = rule.name + ": " + rule.abstain;
      break;
    }
    for (const Incident* one : matched) {
      // The incident's own model, or the only one: a key that does not change when others join.
      std::string suffix;
      if (changes_production(rule.kind) && one != &incident) suffix = "-" + key_part(*one);
      std::string key = idempotency_key(rule, incident, suffix);
      if (settled.contains(key)) continue;
      Decided decided = act_on(rule, policy, *one, std::move(key), with_own, answers, *around, now);
      const Action& action = decided.action;
      if (action.stage == Stage::queued) {
        with_own.push_back({action.kind, action.identity(), now, true});
        if (changes_production(action.kind)) {
          if (!with_let_go) with_let_go = situation;
          with_let_go->underway.push_back({action.id, action.identity()});
          around = &*with_let_go;
        }
      } else {
        decisions.causes.add(decided.causes);
      }
      decisions.actions.push_back(std::move(decided.action));
    }
  }
  return decisions;
}

}  // namespace outrider::decide
