// SPDX-License-Identifier: Apache-2.0
// What is held is decided anew when something that the decision depends on has changed, and at no
// other time.
#include "agent/dispatch/dispatcher.h"
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

const Time noon = *parse_rfc3339("2026-01-29T12:00:00Z");  // A Thursday.

std::string rules(const std::string& limits, const std::string& rule,
                  const std::string& receiver = "webhook: {url: 'http://t'}") {
  return "dry_run: false\nlimits: {" + limits +
         "}\nrules:\n  - name: act\n    action: restart\n    " + receiver + "\n" + rule;
}
const std::string asks = rules("cooldown: 1h", "    approval: required\n");
const std::string acts = rules("cooldown: 1h", "");

// An agent without threads or sockets, whose decisions are counted.
struct Site {
  explicit Site(const std::string& text) : clock(noon) {
    Dispatcher::Dependencies dependencies{
        .facts =
            [this](const incident::Incident&, Time) {
              ++facts_asked;
              incident::Facts told;
              told.owner = owner;
              return told;
            },
        .ask =
            [this](const std::string& query) {
              ++conditions_asked;
              const bool holds = query == "errors" || errors > 1;
              return decide::Answered{
                  .values = holds ? std::vector<double>{errors} : std::vector<double>{},
                  .trouble = ""};
            },
        .paused = [this] { return paused; }};
    dispatcher = std::make_unique<Dispatcher>(Dispatcher::Settings{}, clock, journal, metrics,
                                              std::move(dependencies));
    set_policy(text);
  }
  void set_policy(const std::string& text) {
    const auto policy = decide::parse_policy(
        "policy.yaml", text, {{"kubernetes", std::make_shared<testing::PlayedExecutor>()}});
    if (!policy) FAIL(policy.error().message);
    dispatcher->set_policy(std::make_shared<decide::Policy>(*policy));
  }
  void alert(const std::string& model = "house", const std::string& name_space = "shop",
             const std::string& severity = "warning") {
    wire::AlertWebhook webhook;
    webhook.alerts.push_back({.firing = true,
                              .labels = {{"alertname", "ModelRequestsFailing"},
                                         {"model_name", model},
                                         {"namespace", name_space},
                                         {"severity", severity}},
                              .annotations = {},
                              .starts_at = clock.now(),
                              .ends_at = {},
                              .generator_url = "",
                              .fingerprint = ""});
    dispatcher->receive(webhook);
  }
  double count(const std::string& cause) {
    wire::TextSink sink(wire::Format::text);
    metrics.collect(sink);
    const std::string page = sink.finish();
    const std::string series = "outrider_agent_decisions_total{cause=\"" + cause + "\"} ";
    const auto at = page.find(series);
    REQUIRE(at != std::string::npos);
    return *parse_double(page.substr(at + series.size(), page.find('\n', at) - at - series.size()));
  }
  // Looks until nothing is due; gives how many decisions that took.
  int look() {
    const double before = count("anew") + count("changed");
    do {
      dispatcher->look();
    } while (dispatcher->wait_for_news(0s));
    return static_cast<int>(count("anew") + count("changed") - before);
  }
  // In steps of a second, as the dispatcher's thread looks.
  int look_for(Duration duration, Duration step = 1s) {
    int decisions = 0;
    for (const Time until = clock.now() + duration; clock.now() < until;) {
      clock.advance(std::min<Duration>(step, until - clock.now()));
      decisions += look();
    }
    return decisions;
  }
  decide::Action action_of(const std::string& model) {
    for (decide::Action& action : journal.actions(100)) {
      if (action.model == model) return std::move(action);
    }
    FAIL("no action of " << model);
    return {};
  }
  std::optional<decide::Action> take() { return dispatcher->take_due(0s); }
  void accept(const decide::Action& action) {
    dispatcher->give_back(
        action, {.report = decide::Report{.what = decide::Report::What::done, .text = "done"}});
  }
  // One is let go and accepted.
  void act(const std::string& model, const std::string& name_space = "shop") {
    alert(model, name_space);
    look();
    const auto action = take();
    REQUIRE(action);
    accept(*action);
    look();
  }

  TemporaryFolder folder;
  test::FakeClock clock;
  AgentMetrics metrics;
  act::Journal journal{folder.file("agent.db"), act::Journal::Limits{}};
  std::string paused, owner;
  double errors = 3;
  int facts_asked = 0, conditions_asked = 0;
  std::unique_ptr<Dispatcher> dispatcher;
};

}  // namespace

TEST_CASE("what waits for a person is decided once, and expires in its time") {
  Site site(asks);
  site.alert();
  CHECK(site.look() == 1);
  CHECK(site.action_of("house").needs_approval);
  // Facts are asked again meanwhile, and tell nothing new.
  CHECK(site.look_for(2h) == 0);
  CHECK(site.facts_asked > 10);
  CHECK(site.look_for(22h - 1s, 10min) == 0);
  CHECK(site.action_of("house").needs_approval);
  CHECK(site.look_for(2s) > 0);
  CHECK(site.action_of("house").outcome == Outcome::expired);
  CHECK(site.look_for(24h, 10min) == 0);
}

TEST_CASE("the incident's own change decides it anew, and no other incident's does") {
  Site site(asks);
  site.alert("house");
  site.alert("rent", "bank");
  CHECK(site.look() == 2);
  site.alert("house", "shop", "critical");
  CHECK(site.look() == 1);
  CHECK(site.count("changed") == 3);
}

TEST_CASE("facts that tell something new decide it anew") {
  Site site(asks);
  site.alert();
  site.look();
  CHECK(site.look_for(1min) == 0);
  site.owner = "homes";
  CHECK(site.look_for(1min) == 1);
  CHECK(site.action_of("house").owner == "homes");
}

TEST_CASE("a change near an incident decides it anew, also where no Prometheus is asked") {
  Site site(asks);
  site.alert("house");
  site.alert("rent", "bank");
  site.look();
  const incident::Change change{.id = "c",
                                .kind = "deployment",
                                .model = "house",
                                .version = "v2",
                                .summary = "v2",
                                .at = site.clock.now()};
  CHECK(site.dispatcher->receive(change));
  CHECK(site.look() == 1);
  CHECK(!site.dispatcher->receive(change));
  CHECK(site.look() == 0);
  const auto open = site.dispatcher->open_incidents();
  REQUIRE(open.size() == 2);
  CHECK(open[0].changes.size() + open[1].changes.size() == 1);
}

TEST_CASE("the end of a cool-down decides it anew") {
  Site site(acts);
  site.act("house", "shop");
  site.clock.advance(30min);
  site.alert("house", "");  // Of a namespace that nobody told: it may be the same model.
  site.look();
  CHECK(site.action_of("house").outcome == Outcome::suppressed);
  CHECK(site.look_for(30min - 1s) == 0);
  CHECK(site.look_for(1s) == 1);
  CHECK(site.take());
}

TEST_CASE("an action's end decides anew what it was in the way of, and nothing else") {
  Site site(acts);
  site.alert("house", "shop");
  site.look();
  site.clock.advance(1s);
  site.alert("shed", "bank");
  site.look();
  site.alert("rent", "shop");
  site.alert("barn", "bank");
  CHECK(site.look() == 2);
  CHECK(site.action_of("rent").outcome == Outcome::suppressed);
  CHECK(site.action_of("barn").outcome == Outcome::suppressed);
  CHECK(site.look_for(5s) == 0);
  const auto first = site.take();
  REQUIRE(first);
  CHECK(first->model == "house");
  site.accept(*first);
  CHECK(site.look() == 1);
  CHECK(site.action_of("rent").stage == Stage::queued);
  CHECK(site.action_of("barn").outcome == Outcome::suppressed);
}

TEST_CASE("one whose place is not known waits for an action of whichever place") {
  Site site(acts);
  site.alert("house", "shop");
  site.look();
  site.alert("rent", "");
  site.look();
  CHECK(site.action_of("rent").outcome == Outcome::suppressed);
  site.accept(*site.take());
  CHECK(site.look() == 1);
  CHECK(site.action_of("rent").stage == Stage::queued);
}

TEST_CASE("what is called off as its incident ended makes way too") {
  Site site(acts);
  site.alert("house", "shop");
  site.look();
  site.alert("rent", "shop");
  site.look();
  wire::AlertWebhook ended;
  ended.alerts.push_back({.firing = false,
                          .labels = {{"alertname", "ModelRequestsFailing"},
                                     {"model_name", "house"},
                                     {"namespace", "shop"},
                                     {"severity", "warning"}},
                          .annotations = {},
                          .starts_at = noon,
                          .ends_at = noon,
                          .generator_url = "",
                          .fingerprint = ""});
  site.dispatcher->receive(ended);
  CHECK(site.look() == 1);
  CHECK(site.action_of("rent").stage == Stage::queued);
}

TEST_CASE("a person's word for one decides anew what it puts into cool-down, and nothing else") {
  Site site(asks);
  site.alert("house", "shop");
  site.alert("house", "");
  site.alert("rent", "bank");
  site.look();
  const auto all = site.journal.actions(10);
  REQUIRE(all.size() == 3);
  for (const decide::Action& action : all) CHECK(action.needs_approval);
  for (const decide::Action& action : all) {
    if (action.name_space == "shop") REQUIRE(site.dispatcher->approve(action.id, "ada"));
  }
  CHECK(site.look() == 2);  // Both of house; of the approved one nothing is left to decide.
  for (const decide::Action& action : site.journal.actions(10)) {
    CHECK(action.needs_approval == (action.model == "rent"));
    if (action.model == "house" && action.name_space.empty())
      CHECK_THAT(action.reason, Catch::Contains("cool-down"));
  }
}

TEST_CASE("quiet hours decide anew when they begin and when they end") {
  Site site(rules("quiet_hours: [{from: '22:00', to: '06:00'}]", ""));
  site.alert("house");
  site.look();
  site.alert("rent");
  site.look();
  CHECK(site.take());  // It goes on, in the way of the other.
  CHECK(site.look_for(10h - 1s, 1min) == 0);
  CHECK(site.look_for(1s) == 1);
  CHECK_THAT(site.action_of("rent").reason, Catch::Contains("quiet hours"));
  site.accept(site.action_of("house"));
  CHECK(site.look_for(8h - 1s, 1min) == 0);
  CHECK(site.look_for(1s) == 1);
  CHECK(site.action_of("rent").stage == Stage::queued);
}

TEST_CASE("a policy that is read again decides all anew, once") {
  Site site(asks);
  site.alert("house");
  site.alert("rent", "bank");
  site.look();
  site.set_policy(acts);
  CHECK(site.look() == 2);
  CHECK(site.action_of("house").stage == Stage::queued);
  CHECK(site.action_of("rent").stage == Stage::queued);
  CHECK(site.look_for(5s) == 0);
}

TEST_CASE("the kill switch decides all anew when it is turned, by whichever hand") {
  Site site(asks);
  site.alert("house");
  site.alert("rent", "bank");
  site.look();
  site.paused = "paused by the file stop";  // Nobody calls: it is seen at the next look.
  CHECK(site.look_for(1s) == 2);
  CHECK(site.action_of("house").reason == "paused by the file stop");
  CHECK(site.look_for(5s) == 0);
  site.dispatcher->wake();
  CHECK(site.look() == 0);
  site.paused.clear();
  site.dispatcher->wake();
  CHECK(site.look() == 2);
  CHECK(site.action_of("house").needs_approval);
}

TEST_CASE("a limit decides anew when its window has passed") {
  Site of_the_day(rules("cooldown: 0s, automatic_actions_per_day: 1", ""));
  of_the_day.act("house", "shop");
  of_the_day.clock.advance(1min);
  of_the_day.alert("house", "");
  of_the_day.look();
  CHECK_THAT(of_the_day.action_of("house").reason, Catch::Contains("breaker"));
  CHECK(of_the_day.look_for(24h - 2min, 1min) == 0);
  CHECK(of_the_day.look_for(1min) == 1);

  Site of_the_hour(rules("cooldown: 0s, actions_per_hour: 1", ""));
  of_the_hour.alert("a", "one");
  of_the_hour.look();
  of_the_hour.alert("b", "one");
  of_the_hour.clock.advance(1s);
  of_the_hour.alert("c", "two");
  of_the_hour.look();
  CHECK_THAT(of_the_hour.action_of("b").reason, Catch::Contains("within an hour is the limit"));
  of_the_hour.accept(*of_the_hour.take());
  of_the_hour.look();
  CHECK(of_the_hour.look_for(1h - 1min - 1s, 1min) == 0);
  CHECK(of_the_hour.look_for(1min) == 2);
  CHECK(of_the_hour.action_of("b").stage == Stage::queued);
  CHECK(of_the_hour.action_of("c").needs_approval);
}

TEST_CASE("the hour's limit asks a person also for what was in an action's way") {
  Site site(rules("cooldown: 0s, actions_per_hour: 2", ""));
  site.alert("a", "one");
  site.look();
  site.alert("b", "one");
  site.look();
  CHECK(!site.action_of("b").needs_approval);
  site.alert("c", "two");
  CHECK(site.look() == 2);
  CHECK(site.action_of("b").needs_approval);
}

TEST_CASE("what an answer of Prometheus holds back is decided when the answer is asked for again") {
  Site site(rules("", "    precondition: errors > 1\n"));
  site.errors = 0;
  site.alert();
  CHECK(site.look() == 1);
  CHECK(site.conditions_asked == 2);
  CHECK(site.action_of("house").outcome == Outcome::suppressed);
  CHECK(site.look_for(1min) == 4);
  CHECK(site.conditions_asked == 10);
  site.errors = 3;
  CHECK(site.look_for(15s) == 1);
  CHECK(site.action_of("house").stage == Stage::queued);
  CHECK(site.look_for(10s) == 0);
}

TEST_CASE(
    "what its executor refuses is decided anew when it has waited, however old its incident") {
  Site site(
      rules("quiet_hours: [{from: '12:00', to: '14:00'}]", "", "kubernetes: {deployment: house}"));
  site.alert();
  site.look();
  site.look_for(2h, 1min);
  for (const Duration wait : {5s, 10s, 20s}) {
    const auto action = site.take();
    REQUIRE(action);
    site.dispatcher->give_back(
        *action,
        {.report = decide::Report{.what = decide::Report::What::refused, .text = "not now"}});
    CHECK(site.look_for(wait - 1s) == 1);  // It is held, and its failure domain is free.
    CHECK(!site.take());
    CHECK(site.look_for(1s) == 1);
  }
  CHECK(site.take());
}
