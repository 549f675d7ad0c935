// SPDX-License-Identifier: Apache-2.0
#include "agent/decide/runbook.h"

#include <functional>
#include <set>

#include "agent/decide/decision.h"
#include "base/core/text.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::decide;
using namespace std::chrono_literals;
using Phase = RunbookState::Phase;
using What = Report::What;

namespace {

const Time noon = *parse_rfc3339("2026-01-31T12:00:00Z");

const std::string drain_restart_return = R"(
dry_run: false
rules:
  - name: renew
    match: {alert: ModelLatencyHigh}
    action: runbook
    runbook:
      - name: drain
        webhook: {url: "http://mesh/drain", retry_for: 30s}
        check: {query: 'traffic < 1', within: 1m, for: 5s}
        undo: {webhook: {url: "http://mesh/return"}}
      - name: renew
        webhook: {url: "http://model/renew", retry_for: 30s}
        check: {query: 'ready > 2', within: 1m}
      - name: return
        webhook: {url: "http://mesh/return", retry_for: 30s}
        undo: {webhook: {url: "http://mesh/drain"}}
)";

incident::Incident slow_model() {
  incident::Incident incident;
  incident.id = "20260131T120000Z-abc";
  incident.alert = "ModelLatencyHigh";
  incident.model = "house";
  incident.opened_at = incident.episode_at = noon;
  return incident;
}

Action decided(const std::string& text) {
  const auto policy = parse_policy("policy.yaml", text);
  if (!policy) FAIL(policy.error().message);
  const auto decisions = decide::decide(*policy, slow_model(), {}, {}, {}, noon + 1s);
  REQUIRE(decisions.actions.size() == 1);
  return decisions.actions.front();
}

std::string mistakes(const std::string& steps, const std::string& action = "runbook") {
  const auto policy = parse_policy(
      "policy.yaml", "rules:\n  - name: r\n    action: " + action + "\n    runbook:\n" + steps);
  return policy ? "" : policy.error().message;
}

// Receivers that do each key once, and a fleet that follows them.
struct World {
  std::vector<std::string> done;  // Steps that took effect, in order; "X-undo" too.
  std::set<std::string> keys;
  std::set<std::string> deaf;                        // Steps whose check never holds.
  std::map<std::string, std::vector<Report>> first;  // Answered before they behave.

  Report receive(const std::string& key, const std::string& name) {
    auto& before = first[name];
    if (!before.empty()) {
      const Report report = before.front();
      before.erase(before.begin());
      if (report.what != What::going_on) return report;
    }
    if (keys.insert(key).second) done.push_back(name);
    return {.what = What::done, .text = "HTTP 200"};
  }
};

// One runbook's life. What the journal holds is the last receipt; a kill forgets all else.
struct Play {
  explicit Play(World& shared, const std::string& text = drain_restart_return) : world(shared) {
    auto read = runbook_from_json(decided(text).plan.target);
    if (!read) FAIL(read.error().message);
    runbook = std::move(*read);
  }
  RunbookState state() const {
    auto read = runbook_state_from_json(journal);
    if (!read) FAIL(read.error().message);
    return *read;
  }
  Findings work(const RunbookState& at) {
    const RunbookStep& step = runbook[at.step];
    const bool undoes = at.phase == Phase::undo_sending || at.phase == Phase::undo_watching;
    Findings found;
    if (at.phase == Phase::ready) return found;
    if (at.phase == Phase::checking) {
      found.reading = Reading{.holds = !world.deaf.contains(step.name), .words = "as it is"};
    } else {
      found.report =
          world.receive(step_key("a", step, undoes), step.name + (undoes ? "-undo" : ""));
    }
    return found;
  }
  Report take(const Report& report) {
    if (!report.receipt.is_null()) journal = report.receipt;
    now += report.again.value_or(1s);
    return report;
  }
  // Until it ends; killed before the report of piece `kill_at` is kept.
  Report live(int kill_at = -1) {
    for (int i = 0; i < 500; ++i) {
      RunbookState at = memory.value_or(state());
      const Findings found = work(at);
      const Report report = advance(runbook, at, found, now, 0.5);
      if (steps++ == kill_at) {
        memory.reset();
        continue;
      }
      memory = at;
      take(report);
      if (report.what != What::going_on) return report;
    }
    FAIL("it does not end");
    return {};
  }
  Report undo() {
    RunbookState at = state();
    const Report begun = take(begin_undo(runbook, at, now));
    memory = at;
    return begun.what == What::going_on ? live() : begun;
  }

  World& world;
  Runbook runbook;
  wire::Json journal;
  std::optional<RunbookState> memory;
  Time now = noon;
  int steps = 0;
};

}  // namespace

TEST_CASE("a runbook's steps are done in order, each after the check of the one before") {
  World world;
  Play play(world);
  const Report end = play.live();
  CHECK(end.what == What::done);
  CHECK(end.text == "3 steps are done");
  CHECK(world.done == std::vector<std::string>{"drain", "renew", "return"});
  CHECK(play.now - noon >= 5s);  // As long as the first check must hold.
}

TEST_CASE("a check that does not hold in time ends it, and what was done is taken back") {
  World world;
  world.deaf = {"renew"};
  Play play(world);
  const Report end = play.live();
  CHECK(end.what == What::refused);
  CHECK(end.may_have_acted);
  CHECK_THAT(end.text, Catch::Contains("step 2 of 3, renew: its check did not hold within 1m"));
  const Report undone = play.undo();
  CHECK(undone.what == What::done);
  CHECK(undone.text == "its steps are taken back; left as they are: renew");
  CHECK(world.done == std::vector<std::string>{"drain", "renew", "drain-undo"});
}

TEST_CASE("what is done and did not help is taken back from its last step") {
  World world;
  Play play(world);
  play.live();
  CHECK(play.undo().what == What::done);
  CHECK(world.done ==
        std::vector<std::string>{"drain", "renew", "return", "return-undo", "drain-undo"});
}

TEST_CASE("killed before any report is kept, each step is still done once and in order") {
  for (int kill_at = 0; kill_at < 12; ++kill_at) {
    INFO("killed at " << kill_at);
    World world;
    Play play(world);
    CHECK(play.live(kill_at).what == What::done);
    CHECK(world.done == std::vector<std::string>{"drain", "renew", "return"});
  }
}

TEST_CASE("every state that leads to a request is kept before the request") {
  World world;
  Play play(world);
  RunbookState at;
  for (int i = 0; i < 40; ++i) {
    if (leaves_the_agent(at)) {
      CHECK(to_json(play.state()) == to_json(at));
    }
    const Findings found = play.work(at);
    const Report report = play.take(advance(play.runbook, at, found, play.now, 0.5));
    if (report.what != What::going_on) return;
  }
  FAIL("it does not end");
}

TEST_CASE("a first step that is refused has changed nothing, a later one has") {
  World world;
  world.first["drain"] = {{.what = What::refused, .text = "HTTP 403"}};
  Play play(world);
  const Report end = play.live();
  CHECK(end.what == What::refused);
  CHECK_FALSE(end.may_have_acted);
  CHECK_THAT(end.text, Catch::Contains("step 1 of 3, drain: HTTP 403"));
  CHECK(play.undo().what == What::done);
  CHECK(world.done.empty());

  World other;
  other.first["renew"] = {{.what = What::handed_over, .text = "managed by Argo CD"}};
  Play later(other);
  const Report stopped = later.live();
  CHECK(stopped.what == What::refused);
  CHECK(stopped.may_have_acted);
  later.undo();
  CHECK(other.done == std::vector<std::string>{"drain", "drain-undo"});
}

TEST_CASE("a step is tried again for as long as its retry_for says") {
  const Report silent{.what = What::failed, .text = "no answer", .may_have_acted = true};
  World world;
  world.first["renew"] = {silent, silent};
  Play play(world);
  CHECK(play.live().what == What::done);

  World down;
  down.first["renew"] = std::vector<Report>(20, silent);
  Play given_up(down);
  const Report end = given_up.live();
  CHECK(end.what == What::refused);
  CHECK_THAT(end.text, Catch::Contains("given up: no answer"));
  CHECK(given_up.now - noon < 2min);
}

TEST_CASE("what an executor saw before its step is kept before the step's effect") {
  Runbook runbook(1);
  runbook[0].name = "scale";
  runbook[0].executor = "kubernetes";
  RunbookState state;
  advance(runbook, state, {}, noon, 0);
  const Report seen = advance(
      runbook, state,
      {.report = Report{.what = What::done, .text = "may be", .receipt = {{"was", 3}}}}, noon, 0);
  CHECK(seen.what == What::going_on);
  CHECK(seen.receipt["receipts"]["scale"]["was"] == 3);
  CHECK(state.phase == Phase::sending);
  CHECK(state.checked);
  CHECK_FALSE(state.may_have_acted);
  const Report end =
      advance(runbook, state, {.report = Report{.what = What::done, .text = "8"}}, noon, 0);
  CHECK(end.what == What::done);
}

TEST_CASE("what keeps a step from leaving is told once, and again when it is something else") {
  RunbookState state;
  CHECK_FALSE(wait(state, "paused by ada").receipt.is_null());
  CHECK(wait(state, "paused by ada").receipt.is_null());
  CHECK(wait(state, "another agent holds the lease").what == What::going_on);
  CHECK(state.waits == "another agent holds the lease");
  CHECK(runbook_state_from_json(to_json(state))->waits == state.waits);
}

TEST_CASE("a state from the journal that cannot be read is an error, not a guess") {
  CHECK_FALSE(runbook_state_from_json({{"phase", "flying"}}));
  CHECK_FALSE(runbook_from_json({{"steps", wire::Json::array()}}));
  CHECK(runbook_state_from_json(nullptr)->phase == Phase::ready);
}

TEST_CASE(
    "a runbook's plan has each step's request under a key of its own, for so long as it may take") {
  const Action action = decided(drain_restart_return);
  CHECK(action.kind == Kind::runbook);
  CHECK(action.stage == Stage::queued);
  CHECK(action.plan.executor == "runbook");
  CHECK(action.plan.undo_by_executor);
  CHECK(changes_production(action.kind));
  const Runbook runbook = *runbook_from_json(action.plan.target);
  REQUIRE(runbook.size() == 3);
  const auto& headers = runbook[1].delivery.headers;
  CHECK(headers.back().second == action.id + "-renew");
  CHECK(runbook[0].undo->headers.back().second == action.id + "-drain-undo");
  CHECK(runbook[0].check->lasting == 5s);
  CHECK(action.delivery.job.timeout >= 3h);  // Three jobs of an hour each.
  CHECK(action_from_json(to_json(action))->plan.target == action.plan.target);
  const std::string shown = wire::to_text(to_public_json(action));
  CHECK(shown.find("http://mesh/drain") != std::string::npos);
  CHECK(shown.find("_file") == std::string::npos);
}

TEST_CASE("mistakes in a runbook are told where they are") {
  const std::string step = "      - {name: a, webhook: {url: 'http://t/x'}}\n";
  CHECK(mistakes(step).empty());
  CHECK_THAT(mistakes(step, "retrain"), Catch::Contains("expected action: runbook"));
  CHECK_THAT(mistakes(step + step), Catch::Contains("another step has this name too"));
  CHECK_THAT(mistakes("      - {name: a}\n"), Catch::Contains("expected a webhook"));
  CHECK_THAT(mistakes(step + "    undo: {webhook: {url: 'http://t/y'}}\n"),
             Catch::Contains("not beside 'runbook'"));
  CHECK_THAT(
      mistakes("      - {name: a, webhook: {url: 'http://t/x'}, check: {incident: ended}}\n"),
      Catch::Contains("expected query: PROMQL"));
  CHECK_THAT(mistakes("      - {name: a, action: runbook, webhook: {url: 'http://t/x'}}\n"),
             Catch::Contains("expected retrain, scale"));
  CHECK_THAT(mistakes("      - {name: a, kubernetes: {}}\n"), Catch::Contains("no executor"));
  std::string many;
  for (int i = 0; i < 21; ++i)
    many += "      - {name: s" + std::to_string(i) + ", webhook: {url: 'http://t/x'}}\n";
  CHECK_THAT(mistakes(many), Catch::Contains("expected 1 to 20 steps"));
}
