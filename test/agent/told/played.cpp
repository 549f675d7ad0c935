// SPDX-License-Identifier: Apache-2.0
#include "test/agent/told/played.h"

#include <stdexcept>

#include "base/core/text.h"

namespace outrider::page::testing {

using decide::Action;
using decide::Kind;

Played::Played(std::string title, std::string world, Labels labels, Labels annotations)
    : labels_(std::move(labels)), annotations_(std::move(annotations)) {
  told_.title = std::move(title);
  told_.world = std::move(world);
  wire::WebhookAlert alert;
  alert.firing = true;
  alert.labels = labels_;
  alert.annotations = annotations_;
  alert.starts_at = alerted;
  id_ = book_.on_alert(alert, alerted + std::chrono::seconds(5)).incident->id;
}

Labels Played::of_model() const {
  Labels of;
  for (const char* name : {"cluster", "namespace", "job", "model_name"})
    of.set(name, labels_.get(name));
  return of;
}

void Played::facts(incident::Facts facts, const std::vector<incident::Change>& changes) {
  facts.asked_at = alerted + std::chrono::seconds(8);
  book_.set_facts(id_, std::move(facts), changes);
}

void Played::diagnose(System& system, const std::vector<incident::Change>& changes) {
  book_.set_diagnosis(id_, system.diagnose(incident(), changes), {});
}

void Played::decide(const std::string& policy_text, double verify_value, Time at) {
  const auto policy = decide::parse_policy("policy.yaml", policy_text);
  if (!policy) throw std::runtime_error(policy.error().message);
  decide::Situation situation;
  for (const std::string& condition : decide::conditions(*policy, incident(), {})) {
    const auto parsed = decide::parse_condition(condition);
    const bool is_left = !parsed || parsed->left.empty();
    situation.answers[condition].values =
        is_left ? std::vector<double>{verify_value} : std::vector<double>{};
  }
  for (Action& action : decide::decide(*policy, incident(), {}, {}, {}, at, situation).actions) {
    told_.actions.push_back(std::move(action));
    told_.histories.emplace_back();
    const Action& made = told_.actions.back();
    note(made, at, std::string(decide::state(made)) + ": " + made.reason);
  }
}

Action& Played::action_of(Kind kind) {
  for (Action& action : told_.actions) {
    if (action.kind == kind) return action;
  }
  throw std::runtime_error("the policy asks for no " + std::string(decide::name(kind)));
}

void Played::note(const Action& action, Time at, const std::string& text) {
  if (text.empty()) return;
  const auto index = static_cast<std::size_t>(&action - told_.actions.data());
  told_.histories[index].emplace_back(at, text);
}

void Played::approve(Kind kind, const std::string& person, Time at) {
  Action& action = action_of(kind);
  if (const auto done = decide::approve(action, person, false, at); !done)
    throw std::runtime_error(done.error().message);
  note(action, at, action.reason);
}

void Played::send(Kind kind, int status, Time at) {
  Action& action = action_of(kind);
  note(action, at, decide::begin_attempt(action, 0, at));
  const decide::Answer answer{.status = status};
  note(action, at,
       decide::take_report(action, decide::report_of(action.delivery, answer, at), at, 0));
}

void Played::verify(Kind kind, double value, bool holds, Time at) {
  Action& action = action_of(kind);
  const decide::Condition& condition = action.plan.verify.value().condition;
  decide::Answered left;
  left.values = std::vector<double>{value};
  decide::Answered whole = left;
  if (!holds) whole.values->clear();
  decide::Reading reading = decide::read_condition(condition, whole, left);
  reading.of = "verify";
  note(action, at, decide::take_verification(action, std::move(reading), at));
}

void Played::send_undo(Kind kind, int status, Time at) {
  Action& action = action_of(kind);
  note(action, at, decide::begin_attempt(action, 0, at));
  const decide::Answer answer{.status = status};
  note(action, at,
       decide::take_report(action, decide::report_of(*action.plan.undo, answer, at), at, 0));
}

void Played::resolve(Time at) {
  wire::WebhookAlert alert;
  alert.firing = false;
  alert.labels = labels_;
  alert.annotations = annotations_;
  alert.starts_at = alerted;
  alert.ends_at = at;
  book_.on_alert(alert, at);
}

void Played::chart(const std::string& what, Unit unit, double before, double during, double after,
                   Time since, Time mended) {
  Chart made{.title = what + " of " + incident().model, .unit = unit};
  made.since = since;
  if (incident().resolved_at) made.until = incident().resolved_at;
  made.course = {since - std::chrono::minutes(30), std::chrono::seconds(30), {}};
  for (int i = 0; i < 140; ++i) {
    const Time at = made.course.from + i * made.course.step;
    made.course.values.push_back(at < since ? before : at < mended ? during : after);
  }
  told_.charts.push_back(std::move(made));
}

Told Played::told(Time now) {
  told_.incident = incident();
  told_.now = now;
  return std::move(told_);
}

}  // namespace outrider::page::testing
