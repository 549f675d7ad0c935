// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the matrices of troubles share: an agent with a real journal and dispatcher that lives five
// seconds at a time, and can be killed at each step and started again from what the journal holds.
// Who derives from it says what the world does, and how an action's step is performed.

#include <chrono>
#include <climits>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/act/journal.h"
#include "agent/dispatch/dispatcher.h"
#include "test/support/catch.h"
#include "test/support/fake_clock.h"
#include "test/support/temporary_folder.h"

namespace outrider::testing {

// Values of the one series that the matrices' policies ask for.
inline decide::Answered answer_of(const std::string& query, double errors, bool has_data) {
  std::vector<double> values;
  const bool holds = query == "errors" || (query == "errors > 1" && errors > 1) ||
                     (query == "errors < 1" && errors < 1);
  if (has_data && holds) values.push_back(errors);
  return {.values = std::move(values), .trouble = ""};
}

class PlayedAgent {
 public:
  PlayedAgent(test::FakeClock& time, std::string text) : clock(time), policy(std::move(text)) {}
  virtual ~PlayedAgent() = default;
  PlayedAgent(const PlayedAgent&) = delete;
  PlayedAgent& operator=(const PlayedAgent&) = delete;

  // As after kill -9: what is not in the journal is gone.
  virtual void start() = 0;

  // Five seconds of the agent's life; killed when its steps come to `kill_at`, counted before and
  // after each piece of work.
  void live(int kill_at = -1) {
    pass();
    dispatcher->look();
    for (int i = 0; i < pieces_a_look(); ++i) {
      auto action = dispatcher->take_due(Duration{});
      if (!action) break;
      if (steps++ == kill_at) return start();
      const decide::Findings findings = perform(*action);
      if (steps++ == kill_at) return start();
      dispatcher->give_back(*action, findings);
    }
    clock.advance(std::chrono::seconds(5));
  }
  decide::Action action() {
    const auto all = journal->actions(10);
    REQUIRE(!all.empty());
    return all.front();
  }
  void live_for(Duration duration) {
    const Time until = clock.now() + duration;
    while (clock.now() < until) live();
  }
  // Until its action is done, for `lifetime` at most.
  void live_out(int kill_at = -1) {
    const Time until = clock.now() + lifetime();
    do {
      live(kill_at);
    } while (clock.now() < until && action().stage != decide::Stage::done);
  }

  test::FakeClock& clock;
  const std::string policy;
  TemporaryFolder folder;
  std::unique_ptr<AgentMetrics> metrics;
  std::unique_ptr<act::Journal> journal;
  std::unique_ptr<Dispatcher> dispatcher;
  std::function<std::optional<std::int64_t>()> lease;
  int steps = 0;

 protected:
  virtual void pass() = 0;  // The world's answer to what was done.
  virtual decide::Findings perform(const decide::Action& action) = 0;
  virtual Duration lifetime() const = 0;
  virtual int pieces_a_look() const { return INT_MAX; }

  void open(std::function<decide::Answered(const std::string& query)> ask,
            std::function<std::string()> paused = {}, const decide::Executors& executors = {}) {
    dispatcher.reset();
    journal.reset();
    metrics = std::make_unique<AgentMetrics>();
    journal = std::make_unique<act::Journal>(folder.file("agent.db"), act::Journal::Limits{});
    Dispatcher::Dependencies dependencies{
        .facts = [](const incident::Incident&, Time) { return incident::Facts{}; },
        .value = [](const std::string&) { return std::nullopt; },
        .ask = std::move(ask)};
    if (paused) dependencies.paused = std::move(paused);
    if (lease) dependencies.fencing = lease;
    Dispatcher::Settings settings;
    settings.answers_last = std::chrono::seconds(1);
    dispatcher =
        std::make_unique<Dispatcher>(settings, clock, *journal, *metrics, std::move(dependencies));
    dispatcher->restore();
    const auto parsed = decide::parse_policy("policy.yaml", policy, executors);
    if (!parsed) FAIL(parsed.error().message);
    dispatcher->set_policy(std::make_shared<decide::Policy>(*parsed));
  }
  void receive(Labels labels, bool firing, Time starts) {
    wire::AlertWebhook webhook;
    webhook.alerts.push_back({.firing = firing,
                              .labels = std::move(labels),
                              .annotations = {},
                              .starts_at = starts,
                              .ends_at = {},
                              .generator_url = "",
                              .fingerprint = ""});
    dispatcher->receive(webhook);
  }
};

}  // namespace outrider::testing
