// SPDX-License-Identifier: Apache-2.0
#pragma once

// Unit tests of a policy, as promtool has them for rules; and what a policy says about one
// incident. PURE.
//
//   tests:
//     - name: a bad version is rolled back
//       incident: {alert: ModelRequestsFailing, labels: {model_name: rent, namespace: shop}}
//       values: {"sum(rate(errors[5m]))": 3, "sum(rate(errors[5m])) > 1": [3]}
//       expect:
//         - {rule: roll-back, action: rollback, state: approved}

#include <string>
#include <vector>

#include "agent/decide/decision.h"

namespace outrider::decide {

// What one rule would do, and why.
struct Said {
  std::string rule, action, state, reason;
  bool needs_approval = false;
};

struct PolicyTest {
  struct Expected {
    std::string rule, action, state;  // "": any.
    std::string reason;               // '*' matches any text; "": any.
    std::optional<bool> needs_approval;
  };
  std::string name;
  incident::Incident incident;
  Time now;
  std::vector<Past> past;
  Situation situation;
  Answers answers;
  std::vector<Expected> expected;
  std::optional<std::string> abstained;  // The rule that ends the reading; "": none.
};

// Error "bad_config": every mistake, one a line.
Result<std::vector<PolicyTest>> parse_policy_tests(const std::string& file,
                                                   const std::string& text);

// What the policy says about the test's incident; then how that differs from what was expected, one
// line each: none where the test passes. Rules that say what was not expected are differences too.
Decisions decide_test(const Policy& policy, const PolicyTest& test);
std::vector<std::string> differences(const PolicyTest& test, const Decisions& decisions);

// Lines for people: each action, its reason, its request or target, what must hold.
std::string told(const Decisions& decisions);

}  // namespace outrider::decide
