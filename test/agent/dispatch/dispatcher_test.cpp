// SPDX-License-Identifier: Apache-2.0
#include "agent/dispatch/dispatcher.h"

#include <unistd.h>

#include <filesystem>
#include <map>
#include <set>

#include "agent/decide/delivery.h"
#include "base/core/text.h"
#include "test/agent/dispatch/played_executor.h"
#include "test/support/catch.h"
#include "test/support/fake_clock.h"
#include "test/support/temporary_folder.h"

using namespace outrider;
using namespace std::chrono_literals;
using decide::Outcome;
using decide::Stage;

namespace {

decide::Policy policy_of(const std::string& text) {
  auto policy = decide::parse_policy("policy.yaml", text,
                                     {{"kubernetes", std::make_shared<testing::PlayedExecutor>()}});
  if (!policy) FAIL(policy.error().message);
  return std::move(*policy);
}
const std::string live = R"(dry_run: false
limits: {cooldown: 10m, automatic_actions_per_day: 2}
rules:
  - {name: retrain, match: {alert: ModelAccuracyDropped}, action: retrain, webhook: {url: "http://t/r"}}
)";

// An agent without threads or sockets: the test is the dispatcher's thread and its sender.
struct Site {
  explicit Site(const std::string& policy = live) { start(policy); }
  void start(const std::string& policy = live) {
    dispatcher.reset();
    journal.reset();
    metrics = std::make_unique<AgentMetrics>();
    journal = std::make_unique<act::Journal>(folder.file("agent.db"), act::Journal::Limits{});
    dispatcher = std::make_unique<Dispatcher>(
        Dispatcher::Settings{}, clock, *journal, *metrics,
        Dispatcher::Dependencies{
            .facts = [](const incident::Incident&, Time) { return incident::Facts{}; },
            .value = [](const std::string&) { return std::nullopt; }});
    dispatcher->restore();
    dispatcher->set_policy(std::make_shared<decide::Policy>(policy_of(policy)));
  }
  // `start` tells episodes apart.
  Dispatcher::Receipt alert(bool firing = true, Time start = Time{1'700'000'000s},
                            const std::string& model = "m", const std::string& cluster = "") {
    const Labels labels = {
        {"alertname", "ModelAccuracyDropped"}, {"cluster", cluster}, {"model_name", model}};
    wire::AlertWebhook webhook;
    webhook.alerts.push_back({.firing = firing,
                              .labels = labels,
                              .annotations = {},
                              .starts_at = start,
                              .ends_at = {},
                              .generator_url = "",
                              .fingerprint = ""});
    return dispatcher->receive(webhook);
  }
  // As a worker does whose webhook answers so.
  void answer(const decide::Action& action, const decide::Answer& answer) {
    const decide::Report report = action.stage == Stage::watching
                                      ? decide::report_of_job(action.delivery, answer)
                                      : decide::report_of(action.delivery, answer, clock.now());
    dispatcher->give_back(action, {.report = report});
  }
  std::vector<decide::Action> actions() { return journal->actions(100); }

  TemporaryFolder folder;
  test::FakeClock clock;
  std::unique_ptr<AgentMetrics> metrics;
  std::unique_ptr<act::Journal> journal;
  std::unique_ptr<Dispatcher> dispatcher;
};

}  // namespace

TEST_CASE("an alert becomes one request, however often it is told") {
  Site site;
  for (int i = 0; i < 3; ++i) {
    site.alert();
    site.dispatcher->look();
  }
  auto action = site.dispatcher->take_due(0s);
  REQUIRE(action);
  CHECK(site.journal->action(action->id)->stage == Stage::sending);
  CHECK(!site.dispatcher->take_due(0s));
  site.answer(*action, {.status = 200});
  CHECK(site.actions().size() == 1);
  CHECK(site.actions().front().outcome == Outcome::accepted);
  site.alert();
  site.dispatcher->look();
  CHECK(!site.dispatcher->take_due(0s));
}

TEST_CASE("an agent that dies before, during and after a request goes on with the same key") {
  Site site;
  site.alert();
  site.start();
  site.dispatcher->look();
  site.start();
  site.dispatcher->look();
  const auto first = site.dispatcher->take_due(0s);
  REQUIRE(first);
  site.start();
  site.dispatcher->look();
  const auto second = site.dispatcher->take_due(0s);
  REQUIRE(second);
  CHECK(second->id == first->id);
  CHECK(second->attempts == 2);
  CHECK(second->delivery.body == first->delivery.body);
  site.answer(*second, {.status = 202, .location = "/jobs/1"});
  site.start();
  CHECK(!site.dispatcher->take_due(0s));
  site.clock.advance(2s);
  const auto watched = site.dispatcher->take_due(0s);
  REQUIRE(watched);
  CHECK(watched->stage == Stage::watching);
  site.answer(*watched, {.status = 200, .body = R"({"state":"succeeded"})"});
  site.start();
  site.alert();
  site.dispatcher->look();
  CHECK(!site.dispatcher->take_due(0s));
  REQUIRE(site.actions().size() == 1);
  CHECK(site.actions().front().outcome == Outcome::accepted);
  const auto events = site.journal->events_of(first->id);
  CHECK(std::count_if(events.begin(), events.end(), [](const auto& event) {
          return event.text.find("the same idempotency key") != std::string::npos;
        }) == 1);
}

TEST_CASE("what a cool-down suppressed is done when it has passed, while the incident stands") {
  Site site;
  site.alert();
  site.dispatcher->look();
  site.answer(*site.dispatcher->take_due(0s), {.status = 200});
  site.alert(false);
  site.clock.advance(5min);
  site.alert(true, site.clock.now());
  site.dispatcher->look();
  REQUIRE(site.actions().size() == 2);
  CHECK(site.actions().front().outcome == Outcome::suppressed);
  CHECK(!site.dispatcher->take_due(0s));
  site.clock.advance(5min);
  site.dispatcher->look();
  const auto action = site.dispatcher->take_due(0s);
  REQUIRE(action);
  CHECK(action->id != site.actions().back().id);
}

TEST_CASE("a suppressed action ends with its incident") {
  Site site;
  site.alert();
  site.dispatcher->look();
  site.answer(*site.dispatcher->take_due(0s), {.status = 200});
  site.alert(false);
  site.clock.advance(5min);
  const Time again = site.clock.now();
  site.alert(true, again);
  site.dispatcher->look();
  site.alert(false, again);
  site.dispatcher->look();
  site.clock.advance(1h);
  site.dispatcher->look();
  CHECK(!site.dispatcher->take_due(0s));
  CHECK(site.actions().front().outcome == Outcome::suppressed);
  CHECK(site.actions().front().stage == Stage::done);
}

TEST_CASE("past the breaker a person must approve, or reject") {
  Site site(R"(dry_run: false
limits: {cooldown: 0s, automatic_actions_per_day: 1}
rules:
  - {name: retrain, action: retrain, webhook: {url: "http://t/r"}}
)");
  site.alert();
  site.dispatcher->look();
  site.answer(*site.dispatcher->take_due(0s), {.status = 200});
  site.alert(false);
  site.clock.advance(5min);
  site.alert(true, site.clock.now());
  site.dispatcher->look();
  CHECK(!site.dispatcher->take_due(0s));
  const auto held = site.actions().front();
  CHECK(held.needs_approval);
  CHECK(site.dispatcher->approve("nothing", "ada").error().code == "not_found");
  site.start(live + "\n");
  REQUIRE(site.dispatcher->approve(held.id, "ada"));
  CHECK(site.dispatcher->approve(held.id, "ada").error().code == "not_held");
  const auto action = site.dispatcher->take_due(0s);
  REQUIRE(action);
  CHECK(action->person == "ada");
}

TEST_CASE("a rejected action is not decided again") {
  Site site(R"(dry_run: false
rules:
  - {name: roll, action: rollback, approval: required, webhook: {url: "http://t/r"}}
)");
  site.alert();
  site.dispatcher->look();
  REQUIRE(site.dispatcher->reject(site.actions().front().id, "bob", "no"));
  site.dispatcher->look();
  CHECK(site.actions().size() == 1);
  CHECK(site.actions().front().reason == "rejected by bob: no");
  CHECK(!site.dispatcher->take_due(0s));
}

TEST_CASE("dry run sends nothing, turned off, what still stands is done") {
  Site site("rules: [{name: r, action: retrain, webhook: {url: 'http://t'}}]");
  site.alert();
  site.dispatcher->look();
  CHECK(site.actions().front().outcome == Outcome::recommended);
  CHECK(!site.dispatcher->take_due(0s));
  site.dispatcher->set_policy(std::make_shared<decide::Policy>(policy_of(
      "{dry_run: false, rules: [{name: r, action: retrain, webhook: {url: 'http://t'}}]}")));
  site.dispatcher->look();
  CHECK(site.dispatcher->take_due(0s));
  CHECK(site.actions().size() == 1);
}

TEST_CASE("what was not yet sent is called off when the incident ends") {
  Site site;
  site.alert();
  site.dispatcher->look();
  const auto action = site.dispatcher->take_due(0s);
  site.answer(*action, {.status = 503});
  site.alert(false);
  site.dispatcher->look();
  site.clock.advance(1h);
  CHECK(!site.dispatcher->take_due(0s));
  CHECK(site.actions().front().outcome == Outcome::failed);
  CHECK_THAT(site.actions().front().reason,
             Catch::Contains("the incident ended before it was accepted"));
}

TEST_CASE("what its executor refuses waits, and leaves its failure domain to the others") {
  Site site(R"(dry_run: false
rules:
  - {name: restart, action: restart, kubernetes: {deployment: "{{ model }}"}}
)");
  const auto refuse = [&site](const decide::Action& action) {
    site.dispatcher->give_back(
        action, {.report = decide::Report{.what = decide::Report::What::refused, .text = "no"}});
    site.dispatcher->look();
  };
  site.alert(true, Time{1'700'000'000s}, "house");
  site.dispatcher->look();
  site.alert(true, Time{1'700'000'000s}, "rent");
  site.dispatcher->look();
  const auto first = site.dispatcher->take_due(0s);
  REQUIRE(first);
  CHECK(first->model == "house");
  CHECK(!site.dispatcher->take_due(0s));
  refuse(*first);
  const auto second = site.dispatcher->take_due(0s);
  REQUIRE(second);
  CHECK(second->model == "rent");
  refuse(*second);
  CHECK(!site.dispatcher->take_due(0s));
  // Each is asked about again, later and later, also by an agent that was started anew.
  site.clock.advance(5s);
  site.dispatcher->look();
  refuse(*site.dispatcher->take_due(0s));
  refuse(*site.dispatcher->take_due(0s));
  site.start(R"(dry_run: false
rules:
  - {name: restart, action: restart, kubernetes: {deployment: "{{ model }}"}}
)");
  site.clock.advance(5s);
  site.dispatcher->look();
  CHECK(!site.dispatcher->take_due(0s));
  site.clock.advance(5s);
  site.dispatcher->look();
  CHECK(site.dispatcher->take_due(0s)->course.refusals == 2);
}

TEST_CASE("no more actions are let go than may be active") {
  Site site("{dry_run: false, rules: [{name: n, action: notify, webhook: {url: 'http://t'}}]}");
  site.dispatcher = std::make_unique<Dispatcher>(
      Dispatcher::Settings{.active_actions_max = 2}, site.clock, *site.journal, *site.metrics,
      Dispatcher::Dependencies{
          .facts = [](const incident::Incident&, Time) { return incident::Facts{}; },
          .value = [](const std::string&) { return std::nullopt; }});
  site.dispatcher->set_policy(std::make_shared<decide::Policy>(policy_of(
      "{dry_run: false, rules: [{name: n, action: notify, webhook: {url: 'http://t'}}]}")));
  for (const char* model : {"a", "b", "c"}) site.alert(true, Time{1'700'000'000s}, model);
  site.dispatcher->look();
  CHECK(site.actions().size() == 2);
  site.answer(*site.dispatcher->take_due(0s), {.status = 200});
  site.dispatcher->look();
  CHECK(site.actions().size() == 3);
}

TEST_CASE(
    "a retraining in one cluster neither delays nor suppresses that of another, nor is undone by "
    "it") {
  Site site;
  site.alert(true, Time{1'700'000'000s}, "m", "eu");
  site.dispatcher->look();
  site.alert(true, Time{1'700'000'001s}, "m", "us");
  site.alert(true, Time{1'700'000'002s}, "m", "eu-2");
  site.dispatcher->look();
  std::set<std::string> keys, clusters;
  for (const auto& action : site.actions()) {
    CHECK(action.stage == Stage::queued);
    keys.insert(action.id);
    clusters.insert(action.cluster);
  }
  CHECK(keys.size() == 3);
  CHECK(clusters == std::set<std::string>{"eu", "eu-2", "us"});
  // The incident of eu ends; its action alone is called off.
  site.alert(false, Time{1'700'000'000s}, "m", "eu");
  site.dispatcher->look();
  for (const auto& action : site.actions()) {
    CHECK((action.outcome == Outcome::suppressed) == (action.cluster == "eu"));
  }
  // After a restart each is still its own cluster's: a second alert of us is in cool-down, one of
  // asia is not.
  site.start();
  site.alert(false, Time{1'700'000'001s}, "m", "us");
  site.clock.advance(1min);
  site.alert(true, Time{1'700'000'100s}, "m", "us");
  site.alert(true, Time{1'700'000'100s}, "m", "asia");
  site.dispatcher->look();
  std::map<std::string, Outcome> latest;
  for (const auto& action : site.actions()) {
    if (action.created_at == site.clock.now()) latest[action.cluster] = action.outcome;
  }
  CHECK(latest == std::map<std::string, Outcome>{{"asia", Outcome::recommended},
                                                 {"us", Outcome::suppressed}});
}
