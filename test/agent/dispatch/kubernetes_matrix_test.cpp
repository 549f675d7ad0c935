// SPDX-License-Identifier: Apache-2.0
// What the agent does by Kubernetes' API in every trouble: the real executor and worker, a played
// API over HTTP, a real journal, a clock of its own, and agents that are killed at each step.
#include "agent/act/runbook_executor.h"
#include "agent/act/worker.h"
#include "agent/kubernetes/executor.h"
#include "test/agent/dispatch/played_agent.h"
#include "test/agent/kubernetes/played_objects.h"

namespace outrider::kubernetes::testing {
namespace {

using namespace std::chrono_literals;
using Catch::Contains;
using decide::Outcome;
using decide::Stage;

// A server takes seconds to stop: one for all tests.
PlayedApi& shared_api() {
  static PlayedApi api;
  return api;
}

// One kind of action: what the policy says, and what the cluster looks like before and after.
struct Act {
  std::string kind, rule;
  bool can_be_undone = true;
  int writes = 1;  // To the cluster, until it is done; as many take it back.
};

const Act scale_out = {"scale",
                       "scale: {current: {value: 3}, ratio: {value: 2.667}}\n    kubernetes: "
                       "{action: scale, deployment: house, namespace: shop, replicas: \"{{ "
                       "replicas.wanted }}\", from: \"{{ replicas.current }}\"}"};
const Act roll_back = {"rollback",
                       "kubernetes: {action: rollback, deployment: house, namespace: shop}"};
const Act restart = {"restart", "kubernetes: {action: restart, deployment: house, namespace: shop}",
                     false};
const Act abort_it = {"rollback", "kubernetes: {action: abort, rollout: house, namespace: shop}"};
const Act runbook = {"runbook",
                     "runbook:\n"
                     "      - {name: back, action: rollback, kubernetes: {action: rollback, "
                     "deployment: house, namespace: shop}}\n"
                     "      - {name: more, action: scale, kubernetes: {action: scale, deployment: "
                     "house, namespace: shop, replicas: 8, from: 3}}",
                     true, 2};
const std::vector<Act> acts = {scale_out, roll_back, restart, abort_it, runbook};

std::string policy_text(const Act& act, const std::string& approval = "automatic") {
  return "dry_run: false\nlimits: {cooldown: 1h, automatic_actions_per_day: 9}\nrules:\n"
         "  - name: act\n    action: " +
         act.kind + "\n    approval: " + approval + "\n    " + act.rule +
         "\n    precondition: errors > 1\n"
         "    verify: {query: errors < 1, within: 1m, for: 10s}\n    undo_within: 1m\n";
}

struct World {
  explicit World(PlayedApi& shared) : api(shared) {
    api.clear();
    api.put(house, deployment(3));
    api.put(replica_sets + "/house-a", replica_set("house-a", "house:1", 1));
    api.put(replica_sets + "/house-b", replica_set("house-b", "house:2", 2));
    api.put(argo_rollout, argo("b"));
    before = spec();
  }
  Json spec() { return *find(api.at(house), {"spec"}); }
  bool is_aborted() {
    const Json rollout = api.at(argo_rollout);
    const Json* flag = find(rollout, {"status", "abort"});
    return flag && *flag == true;
  }
  bool is_changed() { return spec() != before || is_aborted(); }
  // As the Deployment's controller does it: the ReplicaSet whose template is in force gets the next
  // revision.
  void control() {
    Json deployed = api.at(house);
    Json& revision = deployed["metadata"]["annotations"]["deployment.kubernetes.io/revision"];
    const std::string image = image_of(deployed);
    if (image == image_in_force) return;
    image_in_force = image;
    revision = std::to_string(++revisions);
    const std::string set = image == "house:1" ? "house-a" : "house-b";
    api.put(replica_sets + "/" + set, replica_set(set, image, revisions, "1"));
    api.put(house, deployed);
  }
  static std::string image_of(const Json& deployed) {
    return deployed["spec"]["template"]["spec"]["containers"][0]["image"];
  }
  // The world's answer to what was done.
  void pass(Time now) {
    control();
    if (is_changed() && !acted_at) acted_at = now;
    if (acted_at && reverts_after && now - *acted_at >= *reverts_after && is_changed()) {
      Json old = api.at(house);
      old["spec"] = before;
      api.put(house, old);
      api.put(argo_rollout, argo("b"));
      reverts_after.reset();
    }
    errors = is_changed() && helps ? 0 : 3;
    if (acted_at && data_vanish) has_data = false;
  }
  decide::Answered answer(const std::string& query) const {
    return outrider::testing::answer_of(query, errors, has_data);
  }

  PlayedApi& api;
  Json before;
  std::string image_in_force = "house:2";
  int revisions = 2;
  double errors = 3;
  bool has_data = true, helps = true, data_vanish = false;
  std::optional<Duration> reverts_after;  // Somebody sets it back.
  std::optional<Time> acted_at;
};

struct Agent final : outrider::testing::PlayedAgent {
  Agent(World& shared, test::FakeClock& time, std::string text)
      : PlayedAgent(time, std::move(text)), world(shared) {
    start();
  }
  void start() override {
    worker.reset();
    executors = {{"kubernetes",
                  std::make_shared<KubernetesExecutor>(
                      KubernetesExecutor::Settings{.client = {.url = world.api.url()}}, clock)}};
    const auto ask = [this](const std::string& query) { return world.answer(query); };
    act::RunbookExecutor::Dependencies steps_by{
        .executors = executors, .sending = {}, .make_ask = {}};
    steps_by.make_ask = [ask] { return ask; };
    if (lease) steps_by.fencing = lease;
    executors["runbook"] = std::make_shared<act::RunbookExecutor>(std::move(steps_by), clock);
    open(ask, {}, executors);
    worker = std::make_unique<act::Worker>(executors, ask, act::Sender::Settings{}, clock);
  }
  void alert() {
    receive({{"alertname", "ModelRequestsFailing"}, {"namespace", "shop"}, {"model_name", "house"}},
            true, Time{1'700'000'000s});
  }
  // What is experimental waits for a person, who says yes at once.
  void alert_and_let_go() {
    alert();
    dispatcher->look();
    if (action().needs_approval) REQUIRE(dispatcher->approve(action().id, "ada"));
  }

  World& world;

 private:
  void pass() override { world.pass(clock.now()); }
  decide::Findings perform(const decide::Action& action) override {
    decide::Findings findings = worker->perform(action);
    world.api.let_go();
    pass();
    return findings;
  }
  Duration lifetime() const override { return 30min; }
  int pieces_a_look() const override { return 10; }

  decide::Executors executors;
  std::unique_ptr<act::Worker> worker;
};

struct Trouble {
  std::string name;
  std::function<void(World&)> make;
  Outcome ends;                 // Of what can be undone.
  Outcome ends_for_good;        // Of what cannot.
  int writes, writes_for_good;  // What reaches the cluster.
};

const std::vector<Trouble>& troubles() {
  static const std::vector<Trouble> all = {
      {"better after", [](World&) {}, Outcome::succeeded, Outcome::succeeded, 1, 1},
      {"worse after", [](World& w) { w.helps = false; }, Outcome::undone, Outcome::handed_over, 2,
       1},
      {"the API is down", [](World& w) { w.api.refuse(503); }, Outcome::expired, Outcome::expired,
       0, 0},
      {"no right to it", [](World& w) { w.api.trouble({.writes = 1'000, .status = 403}); },
       Outcome::failed, Outcome::failed, 0, 0},
      {"slow: done, and no answer in time",
       [](World& w) { w.api.trouble({.writes = 1, .status = 0, .acts = true}); },
       Outcome::succeeded, Outcome::succeeded, 1, 1},
      {"half done: 500, and done all the same",
       [](World& w) { w.api.trouble({.writes = 1, .status = 500, .acts = true}); },
       Outcome::succeeded, Outcome::succeeded, 1, 1},
      {"500 twice, then done", [](World& w) { w.api.trouble({.writes = 2, .status = 500}); },
       Outcome::succeeded, Outcome::succeeded, 1, 1},
      {"500 and nothing done, for ever",
       [](World& w) { w.api.trouble({.writes = 1'000, .status = 500}); }, Outcome::undone,
       Outcome::failed, 0, 0},
      {"stale data", [](World& w) { w.data_vanish = true; }, Outcome::handed_over,
       Outcome::handed_over, 1, 1},
  };
  return all;
}

}  // namespace

TEST_CASE("each Kubernetes action in every trouble ends as it should, and is written once") {
  PlayedApi& api = shared_api();
  for (const Act& act : acts) {
    for (const Trouble& trouble : troubles()) {
      CAPTURE(act.kind, act.rule, trouble.name);
      World world(api);
      test::FakeClock clock;
      trouble.make(world);
      Agent agent(world, clock, policy_text(act));
      agent.alert_and_let_go();
      agent.live_out();
      const auto action = agent.action();
      CAPTURE(action.reason);
      CHECK(action.stage == Stage::done);
      // A runbook has no check before its first step: that is begun, and given up.
      const bool begins = act.kind == "runbook" && trouble.name == "the API is down";
      const Outcome wanted = begins              ? Outcome::failed
                             : act.can_be_undone ? trouble.ends
                                                 : trouble.ends_for_good;
      CHECK(action.outcome == wanted);
      CHECK(world.api.writes() ==
            act.writes * (act.can_be_undone ? trouble.writes : trouble.writes_for_good));
      if (action.outcome == Outcome::undone) CHECK(!world.is_changed());
    }
  }
}

TEST_CASE("killed at each step, a Kubernetes action goes on, and is written once") {
  PlayedApi& api = shared_api();
  for (const Act& act : acts) {
    for (const bool helps : {true, false}) {
      int steps = 0;
      for (int kill_at = -1; kill_at < steps; ++kill_at) {
        CAPTURE(act.kind, act.rule, helps, kill_at);
        World world(api);
        world.helps = helps;
        test::FakeClock clock;
        Agent agent(world, clock, policy_text(act));
        agent.alert_and_let_go();
        agent.live_out(kill_at);
        if (kill_at == -1) steps = agent.steps;
        const auto action = agent.action();
        CAPTURE(action.reason);
        const Outcome wanted = helps               ? Outcome::succeeded
                               : act.can_be_undone ? Outcome::undone
                                                   : Outcome::handed_over;
        CHECK(action.outcome == wanted);
        CHECK(world.api.writes() == act.writes * (wanted == Outcome::undone ? 2 : 1));
        CHECK(world.is_changed() == (wanted != Outcome::undone));
      }
    }
  }
}

TEST_CASE("what somebody sets back is seen, and not done again") {
  PlayedApi& api = shared_api();
  for (const Act& act : {scale_out, roll_back, abort_it, runbook}) {
    CAPTURE(act.kind, act.rule);
    World world(api);
    world.reverts_after = 8s;
    test::FakeClock clock;
    Agent agent(world, clock, policy_text(act));
    agent.alert_and_let_go();
    agent.live_out();
    const auto action = agent.action();
    CAPTURE(action.reason);
    CHECK((action.outcome == Outcome::undone || action.outcome == Outcome::handed_over));
    CHECK(world.api.writes() == act.writes);
    CHECK(!world.is_changed());
  }
}

TEST_CASE("what Argo CD keeps is handed over unwritten, and no more pods go than a budget allows") {
  PlayedApi& api = shared_api();
  for (const Act& act : {scale_out, roll_back, runbook}) {
    CAPTURE(act.kind);
    World world(api);
    test::FakeClock clock;
    Json owned = world.api.at(house);
    owned["metadata"]["managedFields"][0]["manager"] = "argocd-controller";
    world.api.put(house, owned);
    Agent agent(world, clock, policy_text(act));
    agent.alert();
    agent.live_out();
    CHECK(agent.action().outcome == Outcome::handed_over);
    CHECK_THAT(agent.action().reason, Contains("managed by argocd-controller"));
    CHECK(world.api.writes() == 0);
  }
  World world(api);
  test::FakeClock clock;
  world.api.put(budgets + "/house", budget(0));
  Agent agent(world, clock, policy_text(restart));
  agent.alert();
  agent.live_for(2min);
  CHECK(agent.action().outcome == Outcome::suppressed);
  CHECK_THAT(agent.action().reason, Contains("allows 0 pods to go"));
  CHECK(world.api.writes() == 0);
  // Once it does, the incident still stands and it is done.
  world.api.put(budgets + "/house", budget(1));
  agent.live_for(5min);
  CHECK(agent.action().outcome == Outcome::succeeded);
  CHECK(world.api.writes() == 1);
}

TEST_CASE("a Kubernetes action that is approved twice is written once") {
  PlayedApi& api = shared_api();
  for (const Act& act : acts) {
    CAPTURE(act.kind);
    World world(api);
    test::FakeClock clock;
    Agent agent(world, clock, policy_text(act, "required"));
    agent.alert();
    agent.live();
    const std::string id = agent.action().id;
    REQUIRE(agent.dispatcher->approve(id, "ada"));
    CHECK(agent.dispatcher->approve(id, "bob").error().code == "not_held");
    agent.live_for(3min);
    CHECK(agent.dispatcher->approve(id, "bob").error().code == "not_held");
    CHECK(agent.action().outcome == Outcome::succeeded);
    CHECK(world.api.writes() == act.writes);
  }
}

TEST_CASE("of two agents one writes, and after its end the other finds it done") {
  PlayedApi& api = shared_api();
  for (const Act& act : {scale_out, roll_back, abort_it, runbook}) {
    CAPTURE(act.kind, act.rule);
    World world(api);
    world.helps = false;  // So the other's precondition holds on.
    test::FakeClock clock;
    Agent first(world, clock, policy_text(act)), second(world, clock, policy_text(act));
    bool first_lives = true;
    first.lease = [&] { return std::optional<std::int64_t>(7); };
    second.lease = [&] { return first_lives ? std::nullopt : std::optional<std::int64_t>(8); };
    first.start();
    second.start();
    first.alert_and_let_go();
    second.alert_and_let_go();
    for (int i = 0; i < 100 && world.api.writes() < act.writes; ++i) {
      second.live();
      first.live();
    }
    REQUIRE(world.api.writes() == act.writes);
    CHECK(first.action().stage == Stage::verifying);
    CHECK(second.action().attempts == 0);
    first_lives =
        false;  // Killed before it could undo: what it did stays, and a person hears of it.
    second.live_for(2min);
    CHECK(world.api.writes() == act.writes);
    CHECK(second.action().course.fencing_number != 7);
    CHECK((second.action().outcome == Outcome::suppressed ||
           second.action().outcome == Outcome::handed_over || second.action().needs_approval));
  }
}

}  // namespace outrider::kubernetes::testing
