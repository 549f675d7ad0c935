// SPDX-License-Identifier: Apache-2.0
#include "agent/decide/policy.h"

#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::decide;
using namespace std::chrono_literals;

namespace {

std::string mistakes(const std::string& text) {
  const auto policy = parse_policy("policy.yaml", text);
  return policy ? "" : policy.error().message;
}
std::string with_webhook(const std::string& lines) {
  return "rules:\n  - name: r\n    action: retrain\n    webhook:\n      url: http://t/x\n" + lines;
}

}  // namespace

TEST_CASE("a policy is read whole, and dry run is the default") {
  const auto policy = parse_policy("policy.yaml", R"(
limits: {automatic_actions_per_day: 5, cooldown: 1h}
rules:
  - name: hands-off
    match: {model: [fraud-*, risk], severity: critical, labels: {team: [a, b]}}
    abstain: the fraud team acts by hand
  - name: retrain
    match: {alert: ModelAccuracyDropped, inputs: [unchanged, not_judged]}
    action: retrain
    after: 30s
    approval: required
    webhook:
      url: https://trainer/{{ model }}/jobs
      method: PUT
      headers: {X-Why: "{{ alert }}"}
      body: '{"m": {{ model }}, "since": {{ since_unix }}}'
      authorization: {credentials_file: /token}
      accept: [409]
      retry_for: 1h
      job: {url: /job/url, state: /job/state, succeeded: [OK], every: 1s, timeout: 10m}
  - name: more
    action: scale
    cooldown: 5m
    scale: {current: {annotation: replicas}, ratio: {query: 'x{m="{{ model }}"}'}, min: 2, max: 8}
    webhook: {url: "http://k8s/scale", body: '{"spec": {"replicas": {{ replicas.wanted }}}}'}
)");
  REQUIRE(policy);
  CHECK(policy->dry_run);
  CHECK(policy->automatic_actions_per_day == 5);
  REQUIRE(policy->rules.size() == 3);
  CHECK(policy->rules[0].abstain == "the fraud team acts by hand");
  const Rule& retrain = policy->rules[1];
  CHECK(retrain.approval_required);
  CHECK(retrain.after == 30s);
  CHECK(retrain.cooldown == 1h);
  CHECK(retrain.webhook.method == "PUT");
  CHECK(retrain.webhook.defaults.credentials_file == "/token");
  CHECK(retrain.webhook.defaults.accept == std::vector<int>{409});
  CHECK(retrain.webhook.defaults.job.url_pointer == "/job/url");
  CHECK(retrain.webhook.defaults.job.timeout == 10min);
  const Rule& scale = policy->rules[2];
  CHECK(scale.cooldown == 5min);
  REQUIRE(scale.scale);
  CHECK(scale.scale->current.source == Number::Source::annotation);
  CHECK(scale.scale->ratio.source == Number::Source::query);
  CHECK(scale.scale->max == 8);
}

TEST_CASE("every mistake is reported at once, with its line") {
  const std::string all = mistakes(R"(dry_runn: true
limits: {automatic_actions_per_day: -1, cooldown: soon}
rules:
  - name: Bad Name
    match: {alert: A, inputs: [wet]}
    action: reboot
    approval: maybe
    webhook: {url: "ftp://x", method: GET, accept: [700], timeout: 0s}
  - name: twice
    action: notify
  - name: twice
    abstain: ""
    action: ticket
)");
  for (const char* expected :
       {"policy.yaml:1: dry_runn: unknown key", "automatic_actions_per_day: expected at least 0",
        "limits.cooldown: expected a duration", "rules[0].name: expected a-z",
        "rules[0].match.inputs: expected unchanged", "rules[0].action: expected retrain",
        "rules[0].approval: expected automatic or required",
        "rules[0].webhook.url: expected http://HOST", "rules[0].webhook.method: expected POST",
        "rules[0].webhook.accept: expected statuses",
        "rules[0].webhook.timeout: expected more than 0s", "rules[1]: expected a webhook",
        "rules[2].name: another rule is called 'twice' too",
        "rules[2].abstain: expected the reason", "rules[2].action: not beside 'abstain'"}) {
    CHECK_THAT(all, Catch::Contains(expected));
  }
}

TEST_CASE("a template with an unknown placeholder, or whose body is no JSON, is a mistake") {
  CHECK_THAT(mistakes(with_webhook("      body: '{\"a\": {{ modell }}}'\n")),
             Catch::Contains("unknown placeholder 'modell'; known are action, alert"));
  CHECK_THAT(mistakes(with_webhook("      body: '{\"a\": {{ model }}'\n")),
             Catch::Contains("with its placeholders filled in it is no JSON"));
  CHECK_THAT(mistakes(with_webhook("      body: '{\"a\": \"{{ model }}}'\n")),
             Catch::Contains("no JSON"));
  CHECK_THAT(mistakes(with_webhook("      body: '{{ model'\n")), Catch::Contains("{{ without }}"));
  CHECK_THAT(mistakes(with_webhook("      body: '{\"a\": {{ replicas.wanted }}}'\n")),
             Catch::Contains("needs the rule's 'scale'"));
  CHECK(mistakes(with_webhook("      body: '{\"a\": {{ labels.team | default \"x\" }}}'\n")) == "");
  CHECK(mistakes(with_webhook(
            "      headers: {Content-Type: text/plain}\n      body: 'model {{ model }}'\n")) == "");
}

TEST_CASE("neither labels nor the policy file choose whom the agent calls, or hold its secrets") {
  CHECK_THAT(mistakes("rules: [{name: r, action: notify, webhook: {url: 'http://{{ model }}/x'}}]"),
             Catch::Contains("labels must not choose who is called"));
  CHECK_THAT(
      mistakes("rules: [{name: r, action: notify, webhook: {url: 'http://host{{ model }}/x'}}]"),
      Catch::Contains("labels must not choose who is called"));
  CHECK_THAT(mistakes(with_webhook("      headers: {Authorization: Bearer x}\n")),
             Catch::Contains("credentials_file"));
  CHECK_THAT(mistakes(with_webhook("      headers: {Idempotency-Key: x}\n")),
             Catch::Contains("is set by the agent"));
}

TEST_CASE("broken YAML and other shapes are mistakes, not crashes") {
  CHECK_THAT(mistakes("rules: [a"), Catch::Contains("policy.yaml:1"));
  CHECK_THAT(mistakes("- a"), Catch::Contains("expected a map"));
  CHECK_THAT(mistakes("rules: {}"), Catch::Contains("expected a list"));
  CHECK_THAT(mistakes("rules: [7]"), Catch::Contains("rules[0]"));
  CHECK_THAT(
      mistakes(
          "rules: [{name: r, action: scale, scale: {current: 3}, webhook: {url: 'http://a'}}]"),
      Catch::Contains("expected one of {value: 3}"));
  CHECK_THAT(mistakes("rules: [{name: r, action: notify, webhook: 3}]"),
             Catch::Contains("webhook"));
  CHECK(mistakes("") == "");
}

TEST_CASE("a star matches any run of characters") {
  CHECK(glob_match("*", ""));
  CHECK(glob_match("house-*", "house-price"));
  CHECK(glob_match("*price", "house-price"));
  CHECK(glob_match("h*-*e", "house-price"));
  CHECK(glob_match("a*b*c", "aXbXbXc"));
  CHECK(!glob_match("house-*", "hous"));
  CHECK(!glob_match("", "x"));
  CHECK(!glob_match("a*b", "abc"));
}
