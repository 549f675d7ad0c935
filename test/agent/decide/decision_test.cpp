// SPDX-License-Identifier: Apache-2.0
#include "agent/decide/decision.h"

#include "agent/incident/evidence.h"
#include "base/core/text.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::decide;
using namespace std::chrono_literals;

namespace {

const Time noon = *parse_rfc3339("2026-01-31T12:00:00Z");

Policy policy_of(const std::string& text) {
  auto policy = parse_policy("policy.yaml", text);
  if (!policy) FAIL(policy.error().message);
  return std::move(*policy);
}
std::string retrain_rule(const std::string& more = "") {
  return "  - name: retrain\n    match: {alert: ModelAccuracyDropped}\n    action: retrain\n"
         "    webhook: {url: 'http://t/retrain'}\n" +
         more;
}
const std::string live = "dry_run: false\nrules:\n";

incident::Incident incident_of(const std::string& alert = "ModelAccuracyDropped",
                               const std::string& model = "house-price") {
  incident::Incident incident;
  incident.id = "20260131T120000Z-abc";
  incident.alert = alert;
  incident.model = model;
  incident.version = "v1";
  incident.severity = "critical";
  incident.cluster = "eu-1";
  incident.name_space = "shop";
  incident.workload = "house-price";
  incident.labels = {
      {"alertname", alert}, {"model_name", model}, {"owner", "homes"}, {"team", "homes"}};
  incident.annotations = {{"accuracy_before", "95%"},
                          {"accuracy_after", "72%"},
                          {"replicas", "3"},
                          {"load_ratio", "2.667"},
                          {"since", "2026-01-31T11:59:00Z"}};
  incident.opened_at = incident.episode_at = noon;
  incident::explain(incident);
  return incident;
}
incident::Identity named(const std::string& model) {
  return {.cluster = "eu-1",
          .name_space = "shop",
          .workload = "house-price",
          .model = model,
          .version = "v1"};
}
Action only(const Decisions& decisions) {
  REQUIRE(decisions.actions.size() == 1);
  return decisions.actions.front();
}
Action decide_one(const std::string& policy, const std::vector<Past>& past = {},
                  Time now = noon + 1s, const incident::Incident& incident = incident_of(),
                  const Answers& answers = {}) {
  return only(decide::decide(policy_of(policy), incident, past, {}, answers, now));
}

}  // namespace

TEST_CASE("an action that the policy allows is queued with its request and idempotency key") {
  const Action action = decide_one(live + retrain_rule());
  CHECK(action.stage == Stage::queued);
  CHECK(action.queued_at == noon + 1s);
  CHECK(action.id == "retrain-20260131T120000Z-abc");
  const auto body = wire::parse_json(action.delivery.body);
  REQUIRE(body);
  CHECK((*body)["model"] == "house-price");
  CHECK((*body)["version"] == "v1");
  CHECK((*body)["since"] == "2026-01-31T11:59:00.000Z");
  CHECK((*body)["idempotency_key"] == action.id);
  CHECK((*body)["reason"] ==
        "accuracy of house-price v1 fell from 95% to 72%; "
        "inputs not judged: Prometheus has not been asked yet");
  CHECK(action.delivery.headers.back() ==
        std::pair<std::string, std::string>("Idempotency-Key", action.id));
}

TEST_CASE("each check decides in its turn") {
  const std::vector<Past> retrained = {{Kind::retrain, named("house-price"), noon - 10min, true}};
  const std::vector<Past> thrice = {{Kind::retrain, named("house-price"), noon - 10h, true},
                                    {Kind::rollback, named("house-price"), noon - 9h, true},
                                    {Kind::scale, named("house-price"), noon - 8h, true}};
  struct Case {
    std::string policy;
    std::vector<Past> past;
    Outcome outcome;
    Stage stage;
    bool needs_approval;
    std::string reason;
  };
  const std::string approval = "    approval: required\n";
  const std::vector<Case> cases = {
      {live + retrain_rule(),
       {},
       Outcome::recommended,
       Stage::queued,
       false,
       "the policy allows it"},
      {"rules:\n" + retrain_rule(), {}, Outcome::recommended, Stage::held, false, "dry run"},
      {"rules:\n" + retrain_rule(approval),
       {},
       Outcome::recommended,
       Stage::held,
       false,
       "dry run"},
      {live + retrain_rule(approval),
       {},
       Outcome::recommended,
       Stage::held,
       true,
       "person's approval"},
      {live + retrain_rule(), retrained, Outcome::suppressed, Stage::held, false,
       "cool-down of 30m after the last retrain, until 2026-01-31 12:20:00 UTC"},
      {live + retrain_rule("    cooldown: 5m\n"), retrained, Outcome::recommended, Stage::queued,
       false, ""},
      {live + retrain_rule(), thrice, Outcome::recommended, Stage::held, true,
       "breaker: 3 automatic"},
      {"limits: {automatic_actions_per_day: 0}\n" + live + retrain_rule(),
       {},
       Outcome::recommended,
       Stage::held,
       true,
       "breaker: 0 automatic"}};
  for (const Case& one : cases) {
    const Action action = decide_one(one.policy, one.past);
    CAPTURE(one.policy);
    CHECK(action.outcome == one.outcome);
    CHECK(action.stage == one.stage);
    CHECK(action.needs_approval == one.needs_approval);
    CHECK_THAT(action.reason, Catch::Contains(one.reason));
  }
}

TEST_CASE("cool-down and breaker are a model's own, and end") {
  const std::vector<Past> other = {{Kind::retrain, named("fraud"), noon, true}};
  CHECK(decide_one(live + retrain_rule(), other).stage == Stage::queued);
  const std::vector<Past> scaled = {{Kind::scale, named("house-price"), noon, true}};
  CHECK(decide_one(live + retrain_rule(), scaled).stage == Stage::queued);
  const std::vector<Past> retrained = {{Kind::retrain, named("house-price"), noon, true}};
  CHECK(decide_one(live + retrain_rule(), retrained, noon + 29min).stage == Stage::held);
  CHECK(decide_one(live + retrain_rule(), retrained, noon + 30min).stage == Stage::queued);
  // A person's approvals do not open the breaker; a day later it is closed again.
  std::vector<Past> past;
  for (int i = 0; i < 3; ++i)
    past.push_back({Kind::rollback, named("house-price"), noon - 1h, false});
  CHECK(decide_one(live + retrain_rule(), past).stage == Stage::queued);
  for (Past& one : past) one.automatic = true;
  CHECK(decide_one(live + retrain_rule(), past).stage == Stage::held);
  CHECK(decide_one(live + retrain_rule(), past, noon + 23h + 1s).stage == Stage::queued);
}

TEST_CASE("what was done to a model of that name elsewhere neither cools down nor breaks") {
  std::vector<Past> past;
  for (const auto part : {&incident::Identity::cluster, &incident::Identity::name_space,
                          &incident::Identity::workload}) {
    incident::Identity other = named("house-price");
    other.*part = "another";
    for (int i = 0; i < 9; ++i) past.push_back({Kind::retrain, other, noon, true});
  }
  CHECK(decide_one(live + retrain_rule(), past).stage == Stage::queued);
  // Another version is the same model: retraining has just made it. And a part that is not known
  // may be the same.
  for (const auto part : {&incident::Identity::version, &incident::Identity::cluster,
                          &incident::Identity::name_space, &incident::Identity::workload}) {
    incident::Identity same = named("house-price");
    same.*part = part == &incident::Identity::version ? "v0" : "";
    CHECK(decide_one(live + retrain_rule(), {{Kind::retrain, same, noon, true}}).outcome ==
          Outcome::suppressed);
  }
}

TEST_CASE("an action and its request say which model it is, where it runs and whose it is") {
  const Action action = decide_one(live + retrain_rule());
  CHECK(action.identity() == named("house-price"));
  CHECK(action.owner == "homes");
  const auto body = wire::parse_json(action.delivery.body);
  REQUIRE(body);
  CHECK((*body)["cluster"] == "eu-1");
  CHECK((*body)["namespace"] == "shop");
  CHECK((*body)["workload"] == "house-price");
  CHECK((*body)["owner"] == "homes");
  const std::string scale =
      "  - {name: s, action: ticket, webhook: {url: 'http://t/{{ cluster }}/{{ namespace }}/"
      "{{ workload }}?to={{ owner | default \"nobody\" }}'}}\n";
  CHECK(decide_one(live + scale).delivery.url == "http://t/eu-1/shop/house-price?to=homes");
  incident::Incident bare = incident_of();
  bare.owner = bare.cluster = "";
  CHECK(decide_one(live + scale, {}, noon + 1s, bare).reason ==
        "the request cannot be written: the incident has no cluster");
  bare.cluster = "us";
  CHECK(decide_one(live + scale, {}, noon + 1s, bare).delivery.url ==
        "http://t/us/shop/house-price?to=nobody");
  // The default body does without.
  bare.cluster = bare.name_space = bare.workload = "";
  CHECK(decide_one(live + retrain_rule(), {}, noon + 1s, bare).stage == Stage::queued);
}

TEST_CASE("people are told whatever breaker and default cool-down say") {
  std::vector<Past> past;
  for (int i = 0; i < 9; ++i) past.push_back({Kind::notify, named("house-price"), noon, true});
  for (int i = 0; i < 9; ++i) past.push_back({Kind::retrain, named("house-price"), noon, true});
  CHECK(decide_one(live + "  - {name: n, action: notify, webhook: {url: 'http://t'}}\n", past)
            .stage == Stage::queued);
}

TEST_CASE("every matching rule contributes until one abstains") {
  const std::string rules = live + retrain_rule() +
                            "  - {name: tell, action: notify, webhook: {url: 'http://t'}}\n"
                            "  - {name: stop, match: {model: house-*}, abstain: by hand}\n"
                            "  - {name: never, action: ticket, webhook: {url: 'http://t'}}\n";
  const auto decisions = decide::decide(policy_of(rules), incident_of(), {}, {}, {}, noon + 1s);
  REQUIRE(decisions.actions.size() == 2);
  CHECK(decisions.actions[1].kind == Kind::notify);
  CHECK(decisions.abstained == "stop: by hand");
}

TEST_CASE("conditions are conjunctions of alternatives") {
  const auto matches = [](const std::string& match) {
    const auto policy = policy_of("rules: [{name: r, match: " + match +
                                  ", action: notify, webhook: {url: 'http://t'}}]");
    return policy.rules[0].match.holds(incident_of());
  };
  CHECK(matches("{}"));
  CHECK(matches("{alert: [Other, Model*], severity: critical, model: house-price}"));
  CHECK(matches("{labels: {team: [x, homes]}, inputs: not_judged}"));
  CHECK(matches("{cluster: [us-*, eu-*], namespace: shop, workload: house-price, owner: homes}"));
  CHECK(!matches("{cluster: us-*}"));
  CHECK(!matches("{namespace: shop, workload: rent}"));
  CHECK(!matches("{owner: risk}"));
  CHECK(!matches("{labels: {team: x}}"));
  CHECK(!matches("{labels: {absent: x}}"));
  CHECK(!matches("{inputs: unchanged}"));
  CHECK(!matches("{alert: ModelAccuracyDropped, severity: warning}"));
}

TEST_CASE("an incident that is too young is not acted on yet") {
  const std::string rules = live + retrain_rule("    after: 1m\n");
  CHECK(decide::decide(policy_of(rules), incident_of(), {}, {}, {}, noon + 59s).actions.empty());
  CHECK(decide_one(rules, {}, noon + 60s).stage == Stage::queued);
}

TEST_CASE("two rules of one kind share the cool-down, and a settled one does not block the other") {
  const std::string rules =
      live + retrain_rule() + "  - {name: again, action: retrain, webhook: {url: 'http://t'}}\n";
  const auto decisions = decide::decide(policy_of(rules), incident_of(), {}, {}, {}, noon + 1s);
  REQUIRE(decisions.actions.size() == 2);
  CHECK(decisions.actions[0].stage == Stage::queued);
  CHECK(decisions.actions[1].outcome == Outcome::suppressed);
  const auto later = decide::decide(policy_of(rules), incident_of(),
                                    {{Kind::retrain, named("house-price"), noon, true}},
                                    {decisions.actions[0].id}, {}, noon + 31min);
  CHECK(only(later).stage == Stage::queued);
}

TEST_CASE("scale asks for ceil(current x ratio) within its bounds") {
  const auto scale = [](const std::string& numbers, const Answers& answers = {}) {
    return decide_one(
        live + "  - name: s\n    action: scale\n    scale: {" + numbers +
            "}\n    webhook: {url: 'http://k/scale', body: '{\"from\": {{ replicas.current }}, "
            "\"to\": {{ replicas.wanted }}}'}\n",
        {}, noon + 1s, incident_of("ModelSaturated"), answers);
  };
  const std::string from_alert = "current: {annotation: replicas}, ratio: {annotation: load_ratio}";
  CHECK(scale(from_alert).delivery.body == R"({"from": 3, "to": 8})");
  CHECK(scale(from_alert + ", max: 5").delivery.body == R"({"from": 3, "to": 5})");
  CHECK(scale("current: {value: 4}, ratio: {query: 'r{m=\"{{ model }}\"}'}",
              {{R"(r{m="house-price"})", 0.3}})
            .delivery.body == R"({"from": 4, "to": 2})");
  const Action unknown = scale("current: {value: 4}, ratio: {query: 'r'}");
  CHECK(unknown.outcome == Outcome::suppressed);
  CHECK(unknown.reason == "scale.ratio is not known: no one value answers r");
  CHECK(scale("current: {label: gone}, ratio: {value: 2}").reason ==
        "scale.current is not known: the alert's 'gone' is absent");
  CHECK(scale("current: {value: 8}, ratio: {value: 2}, max: 8").reason ==
        "scale: 8 replicas are already what is wanted, as the policy's max is 8");
  CHECK(queries(policy_of(live +
                          "  - name: s\n    action: scale\n    scale: {current: {value: 1}, ratio: "
                          "{query: 'r{m=\"{{ model }}\"}'}}\n    webhook: {url: 'http://k'}\n"),
                incident_of()) == std::vector<std::string>{R"(r{m="house-price"})"});
}

TEST_CASE("a request that lacks a label is held as failed, and names it") {
  const Action action = decide_one(
      live +
      "  - {name: r, action: rollback, webhook: {url: 'http://t/{{ labels.deployment }}'}}\n");
  CHECK(action.outcome == Outcome::failed);
  CHECK(action.stage == Stage::held);
  CHECK(action.reason == "the request cannot be written: the incident has no labels.deployment");
}

TEST_CASE("another episode of an incident is another idempotency key") {
  incident::Incident incident = incident_of();
  const std::string first = decide_one(live + retrain_rule()).id;
  incident.episodes = 2;
  incident.episode_at = noon + 5min;
  CHECK(decide_one(live + retrain_rule(), {}, noon + 6min, incident).id ==
        first + "-1769861100000");
}

TEST_CASE("a rule is matched against each alert of an incident, and asks once, or once a model") {
  incident::Incident incident = incident_of("NodeCpuHigh", "");
  incident.model.clear();
  incident.workload = "node";
  for (const char* model : {"house-price", "rent"}) {
    incident::Signal signal;
    signal.alert = "ModelLatencyHigh";
    signal.key = model;
    signal.severity = "warning";
    signal.labels = {{"alertname", "ModelLatencyHigh"},
                     {"cluster", "eu-1"},
                     {"namespace", "shop"},
                     {"job", model},
                     {"model_name", model}};
    signal.annotations = {{"summary", std::string(model) + " is slow"}};
    incident.grouped.push_back(signal);
  }
  const std::string rules =
      live +
      "  - name: grow\n    match: {alert: ModelLatencyHigh}\n    action: rollback\n"
      "    webhook: {url: 'http://t/{{ model }}'}\n"
      "  - name: tell\n    match: {alert: [Model*, Node*]}\n    action: ticket\n"
      "    webhook: {url: 'http://t/ticket'}\n";
  const auto actions = decide::decide(policy_of(rules), incident, {}, {}, {}, noon + 1s).actions;
  REQUIRE(actions.size() == 3);
  CHECK(actions[0].delivery.url == "http://t/house-price");
  CHECK(actions[1].delivery.url == "http://t/rent");
  CHECK(actions[0].id != actions[1].id);
  CHECK(actions[1].workload == "rent");
  CHECK(actions[2].kind == Kind::ticket);
  CHECK(actions[2].id == "tell-20260131T120000Z-abc");
}

TEST_CASE("a rule that tells the diagnosis waits for a cause, and no longer than the policy says") {
  const std::string rules =
      "limits: {diagnosis_wait: 2m}\n" + live +
      "  - name: tell\n    action: ticket\n    webhook:\n      url: http://t\n"
      "      body: '{\"title\": {{ diagnosis }}, \"cause\": {{ cause }}}'\n";
  incident::Incident incident = incident_of();
  const auto asked = [&](Time now) {
    return decide::decide(policy_of(rules), incident, {}, {}, {}, now).actions;
  };
  CHECK(asked(noon + 119s).empty());
  CHECK(asked(noon + 2min).front().delivery.body == R"({"title": null, "cause": null})");
  incident.diagnosis.emplace();
  incident.diagnosis->suspects = 4;
  CHECK(asked(noon + 10s).empty());
  incident.diagnosis->named = true;
  incident.diagnosis->sentence = "root cause: shop/cart";
  incident.diagnosis->causes = {{"shop/cart", "cpu", 0.9, 2, std::nullopt, {}}};
  CHECK(asked(noon + 10s).front().delivery.body ==
        R"({"title": "root cause: shop/cart", "cause": "shop/cart"})");
}
