// SPDX-License-Identifier: Apache-2.0
#pragma once

// The policy: which incident asks for which action, and how much the agent may do by itself. PURE.
//
//   dry_run: false                        # default true: everything is recommended, nothing is
//   sent limits:
//     automatic_actions_per_day: 3        # a model; past it a person must approve (retrain, scale,
//     rollback) cooldown: 30m                       # default for a model and action
//   rules:                                # read from the top; every rule that matches contributes
//     - name: not-on-my-watch
//       match: {model: fraud-*}
//       abstain: the fraud team acts by hand    # ends the reading for the incidents that it
//       matches
//     - name: retrain-on-concept-drift
//       match: {alert: ModelAccuracyDropped, inputs: [unchanged, not_judged]}
//       action: retrain
//       webhook:
//         url: http://trainer:8080/api/v1/retrain
//         body: |
//           {"model": {{ model }}, "since": {{ since }}, "idempotency_key": {{ idempotency_key }}}
//
// docs/policy.md names every key, every placeholder, and gives policies for known receivers.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/decide/action.h"
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
  std::string name;  // Of the label or annotation.
  Template query;
};

// wanted = ceil(current * ratio - 0.01), kept within [min, max].
struct Scale {
  Number current;
  Number ratio;
  std::int64_t min = 1;
  std::int64_t max = 10;
};

struct Webhook {
  std::string method = "POST";
  Template url;
  std::vector<std::pair<std::string, Template>> headers;
  Template body;
  Delivery defaults;  // Everything that needs no rendering.
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
};

struct Policy {
  bool dry_run = true;
  std::int64_t automatic_actions_per_day = 3;
  // A rule that tells the diagnosis waits so long for one that names a cause.
  Duration diagnosis_wait = std::chrono::minutes(2);
  std::vector<Rule> rules;
};

// Error "bad_config": every mistake, one a line with the file's line.
Result<Policy> parse_policy(const std::string& file, const std::string& text);

// Whether `text` matches a pattern in which '*' stands for any run of characters. O(n m) at worst.
bool glob_match(std::string_view pattern, std::string_view text);

// The placeholders of every template; also labels.NAME and annotations.NAME.
const std::vector<std::string_view>& field_names();

}  // namespace outrider::decide
