// SPDX-License-Identifier: Apache-2.0
#include "agent/decide/care.h"

#include "agent/decide/decision.h"
#include "base/core/text.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::decide;
using namespace std::chrono_literals;

namespace {

const Time noon = *parse_rfc3339("2026-01-31T12:00:00Z");  // A Saturday.

Policy policy_of(const std::string& limits, const std::string& rule = "",
                 const std::string& action = "rollback") {
  auto policy = parse_policy("policy.yaml", "dry_run: false\nlimits: {" + limits +
                                                "}\nrules:\n  - name: act\n    action: " + action +
                                                "\n    webhook: {url: 'http://t'}\n" + rule);
  if (!policy) FAIL(policy.error().message);
  return std::move(*policy);
}
incident::Incident incident_of() {
  incident::Incident incident;
  incident.id = "i";
  incident.alert = "ModelRequestsFailing";
  incident.model = "m";
  incident.cluster = "eu";
  incident.name_space = "shop";
  incident.owner = "homes";
  incident.labels = {{"alertname", "ModelRequestsFailing"}};
  incident.opened_at = incident.episode_at = noon;
  return incident;
}
Action decide_one(const Policy& policy, const Situation& situation = {},
                  const std::vector<Past>& past = {}, Time now = noon,
                  const incident::Incident& incident = incident_of()) {
  const auto decisions = decide::decide(policy, incident, past, {}, {}, now, situation);
  REQUIRE(decisions.actions.size() == 1);
  return decisions.actions.front();
}
template <class Set>
Situation situation_of(const Set& set) {
  Situation situation;
  set(situation);
  return situation;
}
Situation after(std::int64_t automatic) {
  return situation_of([&](Situation& one) { one.automatic_last_hour = automatic; });
}
std::string mistakes(const std::string& text) {
  const auto policy = parse_policy("policy.yaml", text);
  return policy ? "" : policy.error().message;
}
Past ended(Outcome outcome, Duration ago) {
  return {
      .kind = Kind::rollback,
      .who = {.cluster = "eu", .name_space = "shop", .workload = "", .model = "m", .version = ""},
      .at = noon - ago,
      .automatic = false,
      .ended = outcome};
}

}  // namespace

TEST_CASE("paused, nothing that changes production is let go, and people are told all the same") {
  const Situation paused =
      situation_of([](Situation& one) { one.paused = "paused by ada: freeze"; });
  const Action action = decide_one(policy_of(""), paused);
  CHECK(action.stage == Stage::held);
  CHECK(action.reason == "paused by ada: freeze");
  CHECK(!action.needs_approval);
  CHECK(decide_one(policy_of("", "", "notify"), paused).stage == Stage::queued);
}

TEST_CASE("an action waits while another goes on in its failure domain, or where that may be") {
  const auto beside = [](const incident::Identity& other, const std::string& domain = "") {
    const Situation situation =
        situation_of([&](Situation& one) { one.underway = {{.id = "other", .who = other}}; });
    return decide_one(policy_of(domain), situation).stage;
  };
  const auto at = [](const std::string& cluster, const std::string& name_space) {
    return incident::Identity{.cluster = cluster,
                              .name_space = name_space,
                              .workload = "w",
                              .model = "other",
                              .version = ""};
  };
  CHECK(beside(at("eu", "shop")) == Stage::held);
  CHECK(beside(at("eu", "bank")) == Stage::queued);
  CHECK(beside(at("us", "shop")) == Stage::queued);
  CHECK(beside(at("", "shop")) == Stage::held);
  CHECK(beside(at("eu", "bank"), "failure_domain: [cluster]") == Stage::held);
  CHECK(beside(at("us", "bank"), "failure_domain: []") == Stage::held);
  CHECK(beside(at("eu", "shop"), "failure_domain: [model]") == Stage::queued);
}

TEST_CASE("what waits for a person goes on waiting for one while another action goes on") {
  Situation busy = after(20);  // The limit of an hour.
  busy.underway = {{.id = "other", .who = incident_of().identity()}};
  const Action action = decide_one(policy_of(""), busy);
  CHECK(action.needs_approval);
  CHECK_THAT(action.reason, Catch::Contains("within an hour is the limit"));
  CHECK_FALSE(decide_one(policy_of("actions_per_hour: 21"), busy).needs_approval);
}

TEST_CASE("in quiet hours a person must approve, over midnight and on the days that are named") {
  const auto quiet = [](const std::string& hours, const char* at) {
    const auto policy = policy_of("quiet_hours: [" + hours + "]");
    return quiet_at(policy.quiet_hours, *parse_rfc3339(at)) != nullptr;
  };
  const std::string night = R"({from: "22:00", to: "06:00"})";
  CHECK(quiet(night, "2026-01-31T22:00:00Z"));
  CHECK(quiet(night, "2026-02-01T05:59:59Z"));
  CHECK(!quiet(night, "2026-02-01T06:00:00Z"));
  CHECK(!quiet(night, "2026-01-31T21:59:59Z"));
  const std::string saturday = R"({days: [sat], from: "22:00", to: "06:00"})";
  CHECK(quiet(saturday, "2026-02-01T05:00:00Z"));   // Sunday: it began on Saturday.
  CHECK(!quiet(saturday, "2026-01-31T05:00:00Z"));  // Saturday: it began on Friday.
  const std::string weekend = R"({days: [sat, sun], from: "00:00", to: "00:00"})";
  CHECK(quiet(weekend, "2026-01-31T12:00:00Z"));
  CHECK(quiet(weekend, "2026-02-01T23:59:59Z"));
  CHECK(!quiet(weekend, "2026-02-02T00:00:00Z"));
  const Action action = decide_one(policy_of("quiet_hours: [" + weekend + "]"));
  CHECK(action.needs_approval);
  CHECK(action.reason == "quiet hours, 00:00 to 00:00 UTC: a person must approve");
}

TEST_CASE("the next edge of quiet hours is a beginning or an end, over midnight and over a week") {
  const auto next = [](const std::string& hours, const char* at) {
    const auto policy = policy_of("quiet_hours: [" + hours + "]");
    return next_edge(policy.quiet_hours, *parse_rfc3339(at));
  };
  const std::string night = R"({from: "22:00", to: "06:00"})";
  CHECK(next(night, "2026-01-31T12:00:00Z") == parse_rfc3339("2026-01-31T22:00:00Z"));
  CHECK(next(night, "2026-01-31T22:00:00Z") == parse_rfc3339("2026-02-01T06:00:00Z"));
  CHECK(next(night, "2026-02-01T05:59:59Z") == parse_rfc3339("2026-02-01T06:00:00Z"));
  const std::string saturday = R"({days: [sat], from: "08:00", to: "12:00"})";
  CHECK(next(saturday, "2026-01-31T12:00:00Z") == parse_rfc3339("2026-02-07T08:00:00Z"));
  CHECK(next(saturday + ", " + night, "2026-01-31T12:00:00Z") ==
        parse_rfc3339("2026-01-31T22:00:00Z"));
  CHECK(!next("", "2026-01-31T12:00:00Z"));
}

TEST_CASE("what is held says what may decide it otherwise") {
  const auto causes = [](const Policy& policy, const Situation& situation = {},
                         const std::vector<Past>& past = {}) {
    const auto decisions = decide::decide(policy, incident_of(), past, {}, {}, noon, situation);
    REQUIRE(decisions.actions.size() == 1);
    REQUIRE(decisions.actions.front().stage == Stage::held);
    return decisions.causes;
  };
  const std::string of_model = course_of(Kind::restart, "m");
  CHECK(of_model == course_of(Kind::rollback, "m"));
  CHECK(of_model != course_of(Kind::notify, "m"));
  using Events = std::set<std::string>;
  const Causes asked = causes(policy_of("", "    approval: required\n"));
  CHECK(!asked.at);
  CHECK(!asked.answers);
  CHECK(asked.events == Events{of_model});
  CHECK(causes(policy_of("", "    precondition: up > 1\n")).answers);
  CHECK(causes(policy_of("cooldown: 2h"), {}, {ended(Outcome::accepted, 1h)}).at == noon + 1h);
  const Situation busy = situation_of(
      [](Situation& one) { one.underway = {{.id = "other", .who = incident_of().identity()}}; });
  const Causes behind = causes(policy_of("quiet_hours: [{from: '22:00', to: '06:00'}]"), busy);
  CHECK(behind.at == noon + 10h);
  CHECK(behind.events == Events{of_model, end_of("other"), limits_of_the_hour()});
  Situation full = after(20);
  full.hour_eases_at = noon + 7min;
  CHECK(causes(policy_of(""), full).at == noon + 7min);
  const Policy three = policy_of("cooldown: 0s, automatic_actions_per_day: 99");
  CHECK(causes(three, {},
               {ended(Outcome::undone, 3h), ended(Outcome::failed, 2h), ended(Outcome::undone, 1h)})
            .at == noon - 3h + 24h * 7);
  std::vector<Past> today = {ended(Outcome::accepted, 3h), ended(Outcome::accepted, 2h)};
  for (Past& one : today) one.automatic = true;
  CHECK(causes(policy_of("cooldown: 0s, automatic_actions_per_day: 2"), {}, today).at ==
        noon + 21h);
}

TEST_CASE("strikes count what did not help, in a row, of this action on this model") {
  const Policy policy = policy_of("cooldown: 0s, automatic_actions_per_day: 99");
  std::vector<Past> past = {ended(Outcome::undone, 3h), ended(Outcome::failed, 2h)};
  CHECK(decide_one(policy, {}, past).stage == Stage::queued);
  past.push_back(ended(Outcome::handed_over, 1h));
  CHECK(decide_one(policy, {}, past).needs_approval);
  // What was called off neither helped nor failed; what goes on is not known yet.
  past.push_back(ended(Outcome::suppressed, 30min));
  past.push_back({.kind = Kind::rollback, .who = past[0].who, .at = noon - 1min, .ended = {}});
  CHECK(decide_one(policy, {}, past).needs_approval);
  past.push_back(ended(Outcome::succeeded, 10min));
  CHECK(decide_one(policy, {}, past).stage == Stage::queued);
}

TEST_CASE("the hour's limit and the pods of an owner are for a person to pass") {
  CHECK(decide_one(policy_of("actions_per_hour: 2"), after(1)).stage == Stage::queued);
  CHECK(decide_one(policy_of("actions_per_hour: 2"), after(2)).needs_approval);
  const std::string pods = "    pods: {value: 6}\n";
  const Situation four = situation_of([](Situation& one) {
    one.pods_last_hour = {{"homes", 4}, {"other", 90}};
  });
  CHECK(decide_one(policy_of("pods_per_owner: 10", pods), four).stage == Stage::queued);
  const Action action = decide_one(policy_of("pods_per_owner: 9", pods), four);
  CHECK(action.needs_approval);
  CHECK(action.reason ==
        "it touches 6 pods, after 4 of homes in the last hour; the policy's limit is 9");
  CHECK_THAT(decide_one(policy_of("pods_per_owner: 9")).reason,
             Catch::Contains("how many pods it touches is not known"));
}

TEST_CASE("a precondition is asked at the decision, and without data it does not hold") {
  const Policy policy = policy_of("", "    precondition: errors{model=\"{{ model }}\"} > 1\n");
  CHECK(conditions(policy, incident_of(), {}) ==
        std::vector<std::string>{"errors{model=\"m\"} > 1", "errors{model=\"m\"}"});
  const auto with = [&](std::optional<std::vector<double>> whole,
                        std::optional<std::vector<double>> left) {
    Situation situation;
    situation.answers["errors{model=\"m\"} > 1"] = {std::move(whole), "timeout"};
    situation.answers["errors{model=\"m\"}"] = {std::move(left), "timeout"};
    return decide_one(policy, situation);
  };
  using Values = std::vector<double>;
  Action action = with(Values{3}, Values{3});
  CHECK(action.stage == Stage::queued);
  REQUIRE(action.course.readings.size() == 1);
  CHECK(action.course.readings[0].value == 3);
  action = with(Values{}, Values{0.5});
  CHECK(action.outcome == Outcome::suppressed);
  CHECK(action.reason == "the precondition does not hold: errors{model=\"m\"} is 0.5");
  CHECK_THAT(with(Values{}, Values{}).reason, Catch::Contains("no data"));
  CHECK_THAT(with({}, {}).reason, Catch::Contains("no answer: timeout"));
}

TEST_CASE("a precondition may say how many replicas there were at the decision") {
  const Policy policy = policy_of("",
                                  "    scale: {current: {query: now}, ratio: {value: 2}}\n"
                                  "    precondition: replicas == {{ replicas.current }}\n",
                                  "scale");
  CHECK(conditions(policy, incident_of(), {}).empty());
  CHECK(conditions(policy, incident_of(), {{"now", 3}}).front() == "replicas == 3");
  const auto mistake = mistakes(
      "rules: [{name: a, action: retrain, precondition: 'x > {{ replicas.current }}', webhook: "
      "{url: 'http://t'}}]");
  CHECK_THAT(mistake, Catch::Contains("needs the rule's 'scale'"));
}

TEST_CASE("nothing is scaled in on a forecast, nor unasked without a precondition") {
  const auto scale = [](const std::string& numbers, const std::string& more = "",
                        const char* alert = "ModelIdle") {
    incident::Incident incident = incident_of();
    incident.alert = alert;
    incident.annotations = {{"replicas", "8"}};
    const auto policy = policy_of("", "    scale: {" + numbers + "}\n" + more, "scale");
    const auto decisions = decide::decide(policy, incident, {}, {},
                                          {{"outrider_replicas_wanted", 0.5}, {"load", 0.5}}, noon);
    return decisions.actions.front();
  };
  const std::string less = "current: {annotation: replicas}, ratio: {query: load}";
  CHECK(scale(less).needs_approval);
  CHECK(scale("current: {annotation: replicas}, ratio: {query: outrider_replicas_wanted}").reason ==
        "nothing is scaled in on a forecast");
  CHECK(scale(less, "", "ModelCapacityAhead").outcome == Outcome::suppressed);
  // Out is another matter.
  CHECK(scale("current: {annotation: replicas}, ratio: {value: 1.2}", "", "ModelCapacityAhead")
            .stage == Stage::queued);
  const Action bounded = scale("current: {value: 3}, ratio: {value: 3}, max_step: 2, max: 20");
  CHECK(bounded.plan.pods == 5);
}

TEST_CASE("an undo knows what was there before, and has a key of its own") {
  const Policy policy =
      policy_of("",
                "    scale: {current: {value: 3}, ratio: {value: 2}}\n"
                "    verify: {query: latency < 1, within: 5m, for: 30s}\n"
                "    undo: {webhook: {url: 'http://t', body: '{\"to\": {{ replicas.current }}}'}}\n"
                "    undo_within: 1m\n    expires: 2h\n",
                "scale");
  const Action action = decide_one(policy);
  REQUIRE(action.plan.undo);
  CHECK(action.plan.undo->body == R"({"to": 3})");
  CHECK(action.plan.undo->headers.back().second == action.id + "-undo");
  CHECK(action.plan.undo_within == 1min);
  CHECK(action.plan.expires == 2h);
  CHECK(action.plan.verify->lasting == 30s);
  CHECK(action.plan.pods == 6);
  CHECK(action.plan.domain == "cluster=eu namespace=shop");
}

TEST_CASE("what a policy says about care is checked, and each mistake has its line") {
  const auto rule = [](const std::string& more) {
    return mistakes("rules:\n  - name: r\n    action: rollback\n    webhook: {url: 'http://t'}\n" +
                    more);
  };
  CHECK_THAT(rule("    verify: {within: 5m}\n"),
             Catch::Contains("policy.yaml:5") &&
                 Catch::Contains("expected one of query: PROMQL and incident: ended"));
  CHECK_THAT(rule("    verify: {query: up}\n"), Catch::Contains("expected a comparison"));
  CHECK_THAT(rule("    verify: {query: a < bool 1}\n"), Catch::Contains("leave 'bool' out"));
  CHECK_THAT(rule("    verify: {query: a < 1, within: 1m, for: 2m}\n"),
             Catch::Contains("longer than 'within'"));
  CHECK_THAT(rule("    undo: {webhook: {url: 'http://t'}}\n"),
             Catch::Contains("an undo needs the rule's 'verify'"));
  CHECK_THAT(rule("    precondition: up\n"), Catch::Contains("expected a comparison"));
  CHECK_THAT(rule("    kubernetes: {action: scale}\n"),
             Catch::Contains("this agent has no executor 'kubernetes'"));
  CHECK_THAT(mistakes("limits: {failure_domain: [pod], strikes: 0, quiet_hours: [{from: \"25:00\", "
                      "to: \"1\", days: [today]}]}"),
             Catch::Contains("expected cluster, namespace, workload or model, got 'pod'") &&
                 Catch::Contains("limits.strikes: expected at least 1") &&
                 Catch::Contains("expected a time of day") && Catch::Contains("got 'today'"));
}

TEST_CASE("an executor's target is rendered as it stands, and checked when the policy is read") {
  struct Played final : Executor {
    std::string_view name() const override { return "kubernetes"; }
    Result<void> check_target(Kind, const wire::Json& target) const override {
      if (target.contains("deployment")) return {};
      return fail("bad_target", "expected deployment");
    }
    bool can_undo(Kind, const wire::Json&) const override { return true; }
    std::string always_asks(Kind, const wire::Json& target) const override {
      return target.value("experimental", false) ? "experimental" : "";
    }
    Report carry_out(const Order&) override { return {}; }
  };
  const Executors executors = {{"kubernetes", std::make_shared<Played>()}};
  const auto parse = [&](const std::string& target) {
    return parse_policy("policy.yaml",
                        "dry_run: false\nrules:\n  - name: r\n    action: scale\n    scale: "
                        "{current: {value: 3}, ratio: {value: 2}}\n    kubernetes: {" +
                            target + "}\n",
                        executors);
  };
  const auto policy = parse(
      "deployment: \"{{ model }}\", to: \"{{ replicas.wanted }}\", max: 9, list: [a, \"{{ owner "
      "}}\"]");
  REQUIRE(policy);
  const Action action = decide_one(*policy);
  CHECK(action.stage == Stage::queued);
  CHECK(action.plan.executor == "kubernetes");
  CHECK(wire::to_text(action.plan.target) ==
        R"({"deployment":"m","to":"6","max":9,"list":["a","homes"]})");
  CHECK(action.plan.undo_by_executor);
  CHECK_THAT(parse("x: 1").error().message, Catch::Contains("expected deployment"));
  CHECK(decide_one(*parse("deployment: a, experimental: true")).reason == "experimental");
}
