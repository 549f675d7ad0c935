// SPDX-License-Identifier: Apache-2.0
#include "agent/decide/policy_tests.h"

#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::decide;

namespace {

const std::string policy_text = R"(
dry_run: false
rules:
  - {name: not-fraud, match: {model: "fraud-*"}, abstain: by hand}
  - name: roll-back
    match: {alert: ModelRequestsFailing}
    action: rollback
    precondition: errors > 1
    webhook: {url: "http://registry/rollback"}
)";

std::string test_text(const std::string& more) {
  return "tests:\n  - name: a bad version is rolled back\n    incident: {alert: "
         "ModelRequestsFailing, labels: {model_name: rent, namespace: shop}}\n" +
         more;
}
std::vector<std::string> run(const std::string& text) {
  const auto tests = parse_policy_tests("tests.yaml", text);
  if (!tests) FAIL(tests.error().message);
  const auto policy = parse_policy("policy.yaml", policy_text);
  REQUIRE(policy);
  return differences(tests->front(), decide_test(*policy, tests->front()));
}
const std::string values = "    values: {errors: 3, errors > 1: [3]}\n";

}  // namespace

TEST_CASE("a test of a policy passes when each action and reason is as expected") {
  CHECK(run(test_text(values + "    expect: [{rule: roll-back, action: rollback, state: approved, "
                               "reason: 'the policy*', needs_approval: false}]\n"))
            .empty());
  CHECK(run(test_text("    values: {errors: 0.5, errors > 1: []}\n    expect: [{state: suppressed, "
                      "reason: '*errors is 0.5'}]\n"))
            .empty());
  CHECK(run(test_text(values + "    paused: freeze\n    expect: [{reason: freeze}]\n")).empty());
  CHECK(run(test_text(values + "    past: [{action: rollback, ago: 5m}]\n    expect: [{reason: "
                               "'cool-down*'}]\n"))
            .empty());
  CHECK(run(test_text(values + "    underway: [{namespace: shop}]\n    expect: [{reason: 'another "
                               "action*'}]\n"))
            .empty());
  CHECK(run("tests:\n  - {name: hands off, incident: {alert: A, labels: {model_name: fraud-1}}, "
            "abstained: not-fraud}\n")
            .empty());
}

TEST_CASE("a test of a policy fails on what is not done, and on what was not expected") {
  const auto lines = run(test_text(values + "    expect: [{action: retrain}]\n"));
  REQUIRE(lines.size() == 2);
  CHECK(lines[0] == "expected, and not done: {action: retrain}");
  CHECK(lines[1] == "not expected: roll-back: rollback approved: the policy allows it");
  CHECK(run(test_text(values)).size() == 1);
  CHECK(run(test_text(values + "    expect: [{state: approved}]\n    abstained: not-fraud\n")) ==
        std::vector<std::string>{"expected the abstaining rule 'not-fraud', got ''"});
}

TEST_CASE("mistakes in tests of a policy have their lines") {
  const auto mistakes = [](const std::string& text) {
    const auto tests = parse_policy_tests("tests.yaml", text);
    return tests ? "" : tests.error().message;
  };
  CHECK_THAT(mistakes(""), Catch::Contains("expected tests: a list"));
  CHECK_THAT(mistakes("tests: [{name: a, incident: {labels: {}}}]"),
             Catch::Contains("tests.yaml:1") && Catch::Contains("'alert' is missing"));
  CHECK_THAT(mistakes(test_text("    expekt: []\n")), Catch::Contains("expekt"));
  CHECK_THAT(mistakes(test_text("    values: {up: [x]}\n")), Catch::Contains("expected numbers"));
  CHECK_THAT(mistakes(test_text("    past: [{action: dance, outcome: nice}]\n")),
             Catch::Contains("'dance'") && Catch::Contains("'nice'"));
}
