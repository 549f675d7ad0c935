// SPDX-License-Identifier: Apache-2.0
#pragma once

// The policy: which incident asks for which action, and how much the agent may do by itself. PURE.
//
//   dry_run: false                        # default true: everything is recommended, nothing sent
//   limits:
//     automatic_actions_per_day: 3        # a model; past it a person must approve
//     cooldown: 30m                       # default for a model and action
//   rules:                                # read from the top; every rule that matches contributes
//     - name: not-on-my-watch
//       match: {model: fraud-*}
//       abstain: the fraud team acts by hand    # ends the reading for the incidents it matches
//     - name: retrain-on-concept-drift
//       match: {alert: ModelAccuracyDropped, inputs: [unchanged, not_judged]}
//       action: retrain
//       webhook:
//         url: http://trainer:8080/api/v1/retrain
//         body: |
//           {"model": {{ model }}, "since": {{ since }}, "idempotency_key": {{ idempotency_key }}}
//
// docs/policy.md names every key, every placeholder, and gives policies for known receivers.

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/decide/action.h"
#include "agent/decide/executor.h"
#include "agent/decide/template.h"
#include "agent/incident/incident.h"
#include "base/config/yaml.h"

namespace outrider::decide {

// All given conditions must hold; a list holds when one of its items does. '*' matches any text.
struct Match {
  std::vector<std::string> alerts, severities, models, clusters, name_spaces, workloads, owners;
  std::vector<incident::Inputs> inputs;
  std::vector<std::pair<std::string, std::vector<std::string>>> labels;
  bool holds(const incident::Incident& incident) const;
};

// A number for a scale action: from a label, an annotation, a PromQL query, or fixed.
struct Number {
  enum class Source { fixed, label, annotation, query };
  Source source = Source::fixed;
  double value = 0;
  std::string name;   // Of the label or annotation.
  std::string asked;  // The query as the policy says it.
  Template query;
};

// wanted = ceil(current * ratio - 0.01), kept within [min, max] and max_step of current.
struct Scale {
  Number current;
  Number ratio;
  std::int64_t min = 1;
  std::int64_t max = 10;
  std::int64_t max_step = 1'000'000;
};

struct Webhook {
  std::string method = "POST";
  Template url;
  std::vector<std::pair<std::string, Template>> headers;
  Template body;
  Delivery defaults;  // Everything that needs no rendering.
};

// How it is seen that the action helped: a condition, or the incident's end.
struct VerifyRule {
  Template query;
  bool incident_ended = false;
  Duration within = std::chrono::minutes(10);
  Duration lasting{};
};

// What is said under an executor's name: any map, with the places of its texts.
struct Target {
  std::string executor;  // "": the rule has a webhook.
  wire::Json raw;
  std::vector<std::pair<std::string, Template>> texts;  // JSON pointer, template.
  Result<wire::Json> render(const Template::Fields& fields) const;
};

// Of a runbook, as the policy says it.
struct StepRule {
  std::string name;
  Kind kind = Kind::notify;
  Webhook webhook;
  Target target;
  std::optional<VerifyRule> check;
  std::optional<Webhook> undo;
  bool undo_by_executor = false;
};

struct Rule {
  std::string name;
  Match match;
  std::string abstain;  // Not empty: the reason to do nothing.
  Kind kind = Kind::notify;
  bool approval_required = false;
  Duration after{};  // Only for incidents that have been open so long.
  Duration cooldown{};
  Webhook webhook;
  std::optional<Scale> scale;
  bool tells_diagnosis = false;  // A template names one of its fields.
  Target target;
  std::string always_asks;  // Why a person must approve whatever the policy says.
  std::optional<Template> precondition;
  std::optional<VerifyRule> verify;
  std::optional<Webhook> undo;
  bool undo_by_executor = false;
  Duration undo_within = std::chrono::minutes(5);
  Duration expires = std::chrono::hours(24);
  std::optional<Number> pods;   // How many it touches.
  std::vector<StepRule> steps;  // Of a runbook, in the place of webhook and target.
};

// Hours of the day, UTC, in which the agent changes nothing by itself.
struct QuietHours {
  std::array<bool, 7> days = {true, true, true, true, true, true, true};  // From Sunday.
  int from = 0, to = 0;  // Minutes of the day; to <= from: into the next day.
  std::string text;      // As the policy says it.
};
const QuietHours* quiet_at(const std::vector<QuietHours>& all, Time now);
// When any of them begins or ends next; nothing: there are none. O(their number).
std::optional<Time> next_edge(const std::vector<QuietHours>& all, Time now);

// The parts of a model's place within which one action goes on at a time.
struct FailureDomain {
  bool cluster = true, name_space = true, workload = false, model = false;
  // Whether both may be in one: no part that counts and that both know differs.
  bool may_share(const incident::Identity& a, const incident::Identity& b) const;
  std::string text(const incident::Identity& who) const;  // "cluster=eu namespace=shop"
};

struct Policy {
  bool dry_run = true;
  std::int64_t automatic_actions_per_day = 3;
  // A rule that tells the diagnosis waits so long for one that names a cause.
  Duration diagnosis_wait = std::chrono::minutes(2);
  FailureDomain failure_domain;
  std::vector<QuietHours> quiet_hours;
  std::int64_t actions_per_hour = 20;  // That change production, of all models, automatic.
  std::int64_t strikes = 3;            // Not successful in a row, of one action on one model.
  std::int64_t pods_per_owner = 0;     // That actions of an hour touch; 0: not limited.
  Duration start_within = std::chrono::minutes(15);
  std::vector<Rule> rules;
};

// Error "bad_config": every mistake, one a line with the file's line. `executors`: those that a
// rule may name instead of a webhook.
Result<Policy> parse_policy(const std::string& file, const std::string& text,
                            const Executors& executors = {});

// Whether `text` matches a pattern in which '*' stands for any run of characters. O(n m) at worst.
bool glob_match(std::string_view pattern, std::string_view text);

// What is known only once the cause was looked for.
const std::vector<std::string_view>& diagnosis_field_names();

// The placeholders of every template; also labels.NAME and annotations.NAME.
const std::vector<std::string_view>& field_names();

}  // namespace outrider::decide
