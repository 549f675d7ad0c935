// SPDX-License-Identifier: Apache-2.0
// Every kind of action in every trouble: a played world, a clock of its own, a real journal, and
// agents that are killed at each step.
#include <filesystem>
#include <map>
#include <set>

#include "agent/decide/delivery.h"
#include "base/core/text.h"
#include "test/agent/dispatch/played_agent.h"

using namespace outrider;
using namespace std::chrono_literals;
using decide::Outcome;
using decide::Stage;

namespace {

const std::string changing = R"(
    precondition: errors > 1
    verify: {query: errors < 1, within: 1m, for: 10s}
    undo: {webhook: {url: "http://receiver/undo", retry_for: 20s}}
    undo_within: 1m
)";

std::string policy_text(const std::string& kind, const std::string& approval = "automatic") {
  const bool changes = kind != "ticket" && kind != "notify";
  const std::string scale =
      kind == "scale" ? "\n    scale: {current: {value: 3}, ratio: {value: 2}}" : "";
  return "dry_run: false\nlimits: {cooldown: 1m, automatic_actions_per_day: 9}\nrules:\n"
         "  - name: act\n    action: " +
         kind + "\n    approval: " + approval + scale +
         "\n    webhook: {url: \"http://receiver/act\", retry_for: 20s}\n" +
         (changes ? changing : "");
}

// Who is asked and what is changed. An effect is done once a key, as a receiver does that honours
// Idempotency-Key.
struct World {
  double errors = 3;
  bool has_data = true;
  bool helps = true;
  std::optional<Duration> reverts_after;  // Somebody changes it back.
  // What the n-th request of the action, from 0, is answered; whether it takes effect.
  struct Behaviour {
    int status = 200;
    bool takes_effect = true;
    bool was_sent = true;
  };
  std::function<Behaviour(int attempt)> act = [](int) { return Behaviour{}; };
  bool data_vanish = false;  // Once it has acted.

  std::map<std::string, int> requests;
  std::set<std::string> effects;
  std::optional<Time> acted_at, undo_asked_at;

  decide::Answer receive(const std::string& key, Time now) {
    const int attempt = requests[key]++;
    const bool undoes = key.ends_with("-undo");
    if (undoes && !undo_asked_at) undo_asked_at = now;
    const Behaviour does = undoes ? Behaviour{} : act(attempt);
    if (does.takes_effect && effects.insert(key).second && !undoes) {
      acted_at = now;
      if (helps) errors = 0;
      if (data_vanish) has_data = false;
    }
    if (undoes) errors = 3;
    return {.status = does.status, .error = "no answer", .was_sent = does.was_sent};
  }
  void pass(Time now) {
    if (reverts_after && acted_at && now - *acted_at >= *reverts_after) errors = 3;
  }
  decide::Answered answer(const std::string& query) const {
    return testing::answer_of(query, errors, has_data);
  }
};

struct Agent final : testing::PlayedAgent {
  Agent(World& shared, test::FakeClock& time, std::string text)
      : PlayedAgent(time, std::move(text)), world(shared) {
    start();
  }
  void start() override {
    open([this](const std::string& query) { return world.answer(query); },
         [this] { return paused; });
  }
  void alert(bool firing = true, Time starts = Time{1'700'000'000s}) {
    receive({{"alertname", "ModelRequestsFailing"}, {"model_name", "m"}}, firing, starts);
  }

  World& world;
  std::string paused;

 private:
  decide::Reading read(const decide::Condition& condition) {
    return decide::read_condition(condition, world.answer(condition.query),
                                  world.answer(condition.left));
  }
  void pass() override { world.pass(clock.now()); }
  decide::Findings perform(const decide::Action& action) override {
    switch (action.stage) {
      case Stage::queued:
        return {.reading = read(*action.plan.precondition)};
      case Stage::verifying:
        return {.reading = read(action.plan.verify->condition)};
      case Stage::undo_sending:
        return {.report = decide::report_of(*action.plan.undo,
                                            world.receive(action.id + "-undo", clock.now()),
                                            clock.now())};
      default:
        return {.report = decide::report_of(action.delivery, world.receive(action.id, clock.now()),
                                            clock.now())};
    }
  }
  Duration lifetime() const override { return 5min; }
};

struct Trouble {
  std::string name;
  std::function<void(World&)> make;
  Outcome ends;       // Of what changes production.
  Outcome ends_told;  // Of what tells people.
};

const std::vector<Trouble>& troubles() {
  using Behaviour = World::Behaviour;
  static const std::vector<Trouble> all = {
      {"better after", [](World&) {}, Outcome::succeeded, Outcome::accepted},
      {"worse after", [](World& w) { w.helps = false; }, Outcome::undone, Outcome::accepted},
      {"target down", [](World& w) { w.act = [](int) {
                                       return Behaviour{0, false, false};
                                     }; },
       Outcome::failed, Outcome::failed},
      {"slow: done, and no answer in time",
       [](World& w) { w.act = [](int) {
                        return Behaviour{0, true, true};
                      }; }, Outcome::succeeded,
       Outcome::failed},
      {"answers 500 and does nothing",
       [](World& w) { w.act = [](int) {
                        return Behaviour{500, false, true};
                      }; }, Outcome::undone,
       Outcome::failed},
      {"half done: 500, then 200",
       [](World& w) { w.act = [](int n) {
                        return Behaviour{n == 0 ? 500 : 200, true, true};
                      }; },
       Outcome::succeeded, Outcome::accepted},
      {"refused", [](World& w) { w.act = [](int) {
                                   return Behaviour{403, false, true};
                                 }; },
       Outcome::failed, Outcome::failed},
      {"stale data", [](World& w) { w.data_vanish = true; }, Outcome::handed_over,
       Outcome::accepted},
      {"GitOps reverts it", [](World& w) { w.reverts_after = 8s; }, Outcome::undone,
       Outcome::accepted},
  };
  return all;
}

const std::vector<std::string> kinds = {"retrain", "scale",  "rollback",
                                        "restart", "ticket", "notify"};

bool changes(const std::string& kind) {
  return kind != "ticket" && kind != "notify";
}

// What holds whatever happens.
void check_bars(const Agent& agent, const decide::Action& action) {
  const World& world = agent.world;
  CHECK(action.stage == Stage::done);
  // One key for the act, one for its undo: nothing is done twice.
  CHECK(world.effects.size() <= 2);
  for (const auto& [key, count] : world.requests)
    CHECK((key == action.id || key == action.id + "-undo"));
  if (!decide::changes_production(action.kind)) return;
  // What took effect is verified, undone, or a person knows of it.
  if (world.effects.contains(action.id)) {
    CHECK((action.outcome == Outcome::succeeded || action.outcome == Outcome::undone ||
           action.outcome == Outcome::handed_over));
  }
  if (action.outcome == Outcome::undone) CHECK(world.effects.contains(action.id + "-undo"));
  if (world.undo_asked_at && action.course.undo_by)
    CHECK(*world.undo_asked_at <= *action.course.undo_by);
}

}  // namespace

TEST_CASE("every action in every trouble ends as it should, and nothing is done twice") {
  for (const std::string& kind : kinds) {
    for (const Trouble& trouble : troubles()) {
      CAPTURE(kind, trouble.name);
      World world;
      test::FakeClock clock;
      trouble.make(world);
      Agent agent(world, clock, policy_text(kind));
      agent.alert();
      agent.live_out();
      const auto action = agent.action();
      CAPTURE(action.reason);
      CHECK(action.outcome == (changes(kind) ? trouble.ends : trouble.ends_told));
      check_bars(agent, action);
    }
  }
}

TEST_CASE("killed at each step, an action goes on, and is neither doubled nor left unverified") {
  for (const std::string& kind : kinds) {
    for (const Trouble& trouble : troubles()) {
      int steps = 0;
      {
        World world;
        test::FakeClock clock;
        trouble.make(world);
        Agent agent(world, clock, policy_text(kind));
        agent.alert();
        agent.live_out();
        steps = agent.steps;
      }
      REQUIRE(steps > 0);
      // What lies between are readings, one like the other.
      for (int kill_at = 0; kill_at < steps; ++kill_at) {
        if (kill_at >= 8 && kill_at < steps - 6) continue;
        CAPTURE(kind, trouble.name, kill_at);
        World world;
        test::FakeClock clock;
        trouble.make(world);
        Agent agent(world, clock, policy_text(kind));
        agent.alert();
        agent.live_out(kill_at);
        const auto action = agent.action();
        CAPTURE(action.reason);
        check_bars(agent, action);
        // A kill may turn a plain failure into one that may have acted, which is undone.
        const Outcome wanted = changes(kind) ? trouble.ends : trouble.ends_told;
        const bool as_wanted = action.outcome == wanted || action.outcome == Outcome::undone ||
                               action.outcome == Outcome::handed_over;
        CHECK(as_wanted);
      }
    }
  }
}

TEST_CASE("a precondition that no longer holds at execution keeps the request from leaving") {
  World world;
  test::FakeClock clock;
  Agent agent(world, clock, policy_text("rollback", "required"));
  agent.alert();
  agent.live();
  const std::string id = agent.action().id;
  REQUIRE(agent.dispatcher->approve(id, "ada"));
  world.errors = 0.5;
  agent.live_for(1min);
  CHECK(world.requests.empty());
  CHECK(agent.action().outcome == Outcome::suppressed);
  CHECK_THAT(agent.action().reason,
             Catch::Contains("the precondition does not hold: errors is 0.5"));
  // It is decided anew, and a person is asked anew.
  world.errors = 3;
  agent.live_for(5s);
  CHECK(agent.action().needs_approval);
  CHECK(world.requests.empty());
}

TEST_CASE("approved twice is done once") {
  for (const std::string& kind : kinds) {
    CAPTURE(kind);
    World world;
    test::FakeClock clock;
    Agent agent(world, clock, policy_text(kind, "required"));
    agent.alert();
    agent.live();
    const std::string id = agent.action().id;
    REQUIRE(agent.dispatcher->approve(id, "ada"));
    CHECK(agent.dispatcher->approve(id, "bob").error().code == "not_held");
    agent.live_for(2min);
    CHECK(agent.dispatcher->approve(id, "bob").error().code == "not_held");
    CHECK(world.requests.at(id) == 1);
    CHECK(agent.action().outcome == (changes(kind) ? Outcome::succeeded : Outcome::accepted));
  }
}

TEST_CASE("of two agents only the one that holds the lease acts, and the other's lapses") {
  for (const std::string& kind : kinds) {
    CAPTURE(kind);
    World world;
    test::FakeClock clock;
    Agent first(world, clock, policy_text(kind)), second(world, clock, policy_text(kind));
    first.lease = [] { return std::optional<std::int64_t>(7); };
    second.lease = [] { return std::optional<std::int64_t>(); };
    first.start();
    second.start();
    first.alert();
    second.alert();
    for (int i = 0; i < 120; ++i) {  // Twenty minutes.
      second.live();
      first.live();
    }
    CHECK(world.effects.size() == 1);
    CHECK(first.action().outcome == (changes(kind) ? Outcome::succeeded : Outcome::accepted));
    CHECK(first.action().course.fencing_number == 7);
    CHECK(second.action().attempts == 0);
    CHECK((second.action().outcome == Outcome::expired ||
           second.action().outcome == Outcome::suppressed));
  }
}

TEST_CASE("after three that did not help a person is asked") {
  World world;
  world.helps = false;
  test::FakeClock clock;
  Agent agent(world, clock, policy_text("rollback"));
  Time starts{1'700'000'000s};
  for (int episode = 0; episode < 4; ++episode) {
    agent.alert(true, starts);
    agent.live_for(3min);
    const auto action = agent.action();
    if (episode < 3) {
      CHECK(action.outcome == Outcome::undone);
    } else {
      CHECK(action.outcome == Outcome::recommended);
      CHECK(action.needs_approval);
      CHECK_THAT(action.reason, Catch::Contains("the last 3 of rollback"));
    }
    agent.alert(false, starts);
    agent.live_for(10s);
    starts = clock.now();
  }
}

TEST_CASE("paused, nothing leaves, over a restart too, and an undo that is due goes to a person") {
  World world;
  test::FakeClock clock;
  Agent agent(world, clock, policy_text("rollback"));
  agent.paused = "paused by ada";
  agent.alert();
  agent.live_for(1min);
  agent.start();
  agent.live_for(1min);
  CHECK(world.requests.empty());
  CHECK(agent.action().outcome == Outcome::recommended);
  CHECK(agent.action().reason == "paused by ada");
  CHECK(!agent.action().needs_approval);
  agent.paused.clear();
  world.helps = false;
  agent.live_for(20s);
  CHECK(agent.action().stage == Stage::verifying);
  agent.paused = "paused by ada";
  agent.live_for(4min);
  CHECK(world.requests.size() == 1);
  CHECK(agent.action().outcome == Outcome::handed_over);
  CHECK_THAT(agent.action().reason, Catch::Contains("could not be taken back"));
}

TEST_CASE("the incident's own end is a verification") {
  World world;
  test::FakeClock clock;
  std::string text = policy_text("rollback");
  const std::string query = "{query: errors < 1, within: 1m, for: 10s}";
  text.replace(text.find(query), query.size(), "{incident: ended, within: 1m, for: 10s}");
  for (const bool ends : {true, false}) {
    Agent agent(world, clock, text);
    agent.alert();
    agent.live_for(20s);
    CHECK(agent.action().stage == Stage::verifying);
    if (ends) agent.alert(false);
    agent.live_for(3min);
    CHECK(agent.action().outcome == (ends ? Outcome::succeeded : Outcome::undone));
    world = World{};
  }
}

TEST_CASE("in one failure domain one action goes on at a time") {
  World world;
  world.helps = false;  // So the second model's trouble goes on, and its precondition holds.
  test::FakeClock clock;
  Agent agent(world, clock, policy_text("rollback"));
  wire::AlertWebhook webhook;
  for (const char* model : {"a", "b"}) {
    webhook.alerts.push_back({.firing = true,
                              .labels = {{"alertname", "ModelRequestsFailing"},
                                         {"namespace", "shop"},
                                         {"model_name", model}},
                              .annotations = {},
                              .starts_at = Time{1'700'000'000s},
                              .ends_at = {},
                              .generator_url = "",
                              .fingerprint = ""});
  }
  agent.dispatcher->receive(webhook);
  agent.live_for(10s);
  CHECK(world.requests.size() == 1);
  std::set<std::string> reasons;
  for (const auto& action : agent.journal->actions(10)) {
    if (action.outcome == Outcome::suppressed) reasons.insert(action.reason);
  }
  REQUIRE(reasons.size() == 1);
  CHECK_THAT(*reasons.begin(), Catch::Contains("another action goes on in namespace=shop"));
  agent.live_for(3min);
  CHECK(world.requests.size() >= 3);  // The first, its undo, and then the second.
}
