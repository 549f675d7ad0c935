// SPDX-License-Identifier: Apache-2.0
#include "agent/decide/life.h"

#include "base/core/text.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::decide;
using namespace std::chrono_literals;

namespace {

const Time noon = *parse_rfc3339("2026-01-31T12:00:00Z");

Condition condition_of(const std::string& text) {
  auto condition = parse_condition(text);
  if (!condition) FAIL(condition.error().message);
  return *condition;
}

// A rollback that is verified for up to five minutes and can be taken back.
Action planned() {
  Action action;
  action.id = "roll-1";
  action.kind = Kind::rollback;
  action.stage = Stage::queued;
  action.created_at = action.updated_at = action.next_at = noon;
  action.queued_at = noon;
  action.delivery.url = "http://registry/rollback";
  action.plan.precondition = condition_of("errors > 1");
  action.plan.verify =
      Verify{.condition = condition_of("errors < 1"), .within = 5min, .lasting = 1min};
  action.plan.undo.emplace().url = "http://registry/promote";
  return action;
}
Reading says(bool holds, std::optional<double> value = 3, const std::string& words = "read") {
  return {.query = "q", .value = value, .holds = holds, .words = words};
}
Report done(const std::string& text = "accepted, HTTP 200") {
  return {.what = Report::What::done, .text = text};
}
Action accepted(Action action = planned()) {
  take_precondition(action, says(true), noon);
  begin_attempt(action, 0, noon);
  take_report(action, done(), noon, 0);
  REQUIRE(action.stage == Stage::verifying);
  return action;
}
Action undoing(Action action = accepted()) {
  take_verification(action, says(false), noon + 5min);
  REQUIRE(action.stage == Stage::undo_queued);
  return action;
}

}  // namespace

TEST_CASE(
    "the precondition is read again right before the request, and no older than ten seconds") {
  Action action = planned();
  CHECK(task_of(action, noon) == Task::check);
  CHECK_THAT(take_precondition(action, says(true), noon), Catch::Contains("holds"));
  CHECK(task_of(action, noon + 10s) == Task::send);
  CHECK(task_of(action, noon + 11s) == Task::check);
  action.plan.precondition.reset();
  CHECK(task_of(action, noon + 11s) == Task::send);
}

TEST_CASE("what no longer holds at execution is decided anew, whoever approved it") {
  Action action = planned();
  action.decided_by_person = true;
  CHECK(take_precondition(action, says(false, {}, "no data"), noon) ==
        "the precondition does not hold: no data");
  CHECK(action.stage == Stage::held);
  CHECK(action.outcome == Outcome::suppressed);
  CHECK(!action.queued_at);
  CHECK(!action.decided_by_person);
  CHECK(action.attempts == 0);
}

TEST_CASE("a remedy that holds for its time without a gap has succeeded") {
  Action action = accepted();
  CHECK(state(action) == "verifying");
  take_verification(action, says(false), noon + 30s);
  CHECK_THAT(take_verification(action, says(true), noon + 60s), Catch::Contains("it holds"));
  take_verification(action, says(false), noon + 90s);
  take_verification(action, says(true), noon + 100s);
  take_verification(action, says(true), noon + 159s);
  CHECK(action.stage == Stage::verifying);
  CHECK(take_verification(action, says(true, 0.2, "errors is 0.2"), noon + 160s) ==
        "verified: errors is 0.2");
  CHECK(action.outcome == Outcome::succeeded);
  CHECK(action.stage == Stage::done);
  const auto& last = action.course.readings.back();
  CHECK(last.moment == Reading::Moment::end);
  CHECK(last.value == 0.2);
}

TEST_CASE("what begins to hold in time may hold its time out, and no longer than that") {
  Action action = accepted();
  take_verification(action, says(true), noon + 4min + 50s);
  take_verification(action, says(true), noon + 5min + 20s);
  CHECK(action.stage == Stage::verifying);
  take_verification(action, says(false), noon + 5min + 30s);
  CHECK(action.stage == Stage::undo_queued);
  CHECK_THAT(action.reason, Catch::Contains("it held for a time, and then no longer"));
}

TEST_CASE("what did not help is taken back, with a key of its own") {
  Action action = undoing();
  CHECK(state(action) == "undoing");
  CHECK(action.course.undo_by == noon + 10min);
  CHECK(task_of(action, noon + 5min) == Task::undo);
  begin_attempt(action, 7, noon + 5min);
  CHECK(action.stage == Stage::undo_sending);
  CHECK(action.attempts == 1);
  CHECK(action.course.undo_attempts == 1);
  CHECK(action.course.fencing_number == 7);
  take_report(action, done(), noon + 5min, 0);
  CHECK(action.outcome == Outcome::undone);
  CHECK_THAT(action.reason, Catch::Contains("not seen to help within 5m") &&
                                Catch::Contains("undone: accepted, HTTP 200"));
}

TEST_CASE("without data nothing is called helpful, and nothing is taken back") {
  Action action = accepted();
  take_verification(action, says(false, {}, "no data: errors has no series"), noon + 5min);
  CHECK(action.outcome == Outcome::handed_over);
  CHECK_THAT(action.reason, Catch::Contains("no data"));
}

TEST_CASE("what did not help and has no undo is handed to a person") {
  Action action = planned();
  action.plan.undo.reset();
  action = accepted(std::move(action));
  take_verification(action, says(false), noon + 5min);
  CHECK(action.outcome == Outcome::handed_over);
  CHECK_THAT(action.reason, Catch::Contains("no 'undo'"));
}

TEST_CASE("an action without a verification ends as accepted, and says that nobody looked") {
  Action action = planned();
  action.plan.verify.reset();
  take_precondition(action, says(true), noon);
  begin_attempt(action, 0, noon);
  take_report(action, done(), noon, 0);
  CHECK(action.outcome == Outcome::accepted);
  CHECK(action.reason == "accepted, HTTP 200; not verified, as the rule has no 'verify'");
}

TEST_CASE(
    "what may be half done is undone when it is given up, and never when it cannot have begun") {
  for (const bool may_have_acted : {true, false}) {
    Action action = planned();
    action.delivery.retry_for = 1s;
    take_precondition(action, says(true), noon);
    begin_attempt(action, 0, noon);
    take_report(
        action,
        {.what = Report::What::failed, .text = "HTTP 500", .may_have_acted = may_have_acted},
        noon + 1s, 0);
    CHECK((action.stage == Stage::undo_queued) == may_have_acted);
    CHECK((action.outcome == Outcome::failed) == !may_have_acted);
  }
}

TEST_CASE("an undo is retried until its time is over, and then a person must look") {
  Action action = undoing();
  Time now = noon + 5min;
  int attempts = 0;
  while (action.stage == Stage::undo_queued && attempts < 100) {
    begin_attempt(action, 0, now);
    ++attempts;
    take_report(action, {.what = Report::What::failed, .text = "HTTP 503"}, now, 0);
    now = std::max(now, action.next_at);
  }
  CHECK(attempts > 5);
  CHECK(attempts < 15);
  CHECK(action.outcome == Outcome::handed_over);
  CHECK(now <= noon + 10min);
  CHECK_THAT(action.reason, Catch::Contains("it could not be taken back: given up after"));
  Action paused = undoing();
  CHECK(lapse(paused, noon + 10min).empty());
  CHECK_THAT(lapse(paused, noon + 10min + 1s), Catch::Contains("could not be taken back"));
  CHECK(paused.outcome == Outcome::handed_over);
}

TEST_CASE("an approval and a start that come too late lead to nothing") {
  Action waiting = planned();
  waiting.stage = Stage::held;
  waiting.needs_approval = true;
  waiting.plan.expires = 1h;
  CHECK(lapse(waiting, noon + 1h).empty());
  CHECK(lapse(waiting, noon + 1h + 1s) == "nobody approved it within 1h");
  CHECK(waiting.outcome == Outcome::expired);
  CHECK(approve(waiting, "ada", false, noon + 2h).error().code == "not_held");
  Action late = planned();
  CHECK(lapse(late, noon + 15min).empty());
  CHECK_THAT(lapse(late, noon + 15min + 1s), Catch::Contains("could not be sent within 15m"));
  CHECK(late.outcome == Outcome::expired);
}

TEST_CASE("after a restart what may have left is sent again, and what held must hold anew") {
  Action sent = planned();
  take_precondition(sent, says(true), noon);
  begin_attempt(sent, 0, noon);
  CHECK_THAT(take_up_again(sent, noon + 1s), Catch::Contains("the same idempotency key"));
  CHECK(sent.course.may_have_acted);
  // Its own effect may be why the precondition no longer holds.
  take_precondition(sent, says(false), noon + 12s);
  CHECK(sent.stage == Stage::verifying);
  Action verifying = accepted();
  take_verification(verifying, says(true), noon + 30s);
  take_up_again(verifying, noon + 89s);
  take_verification(verifying, says(true), noon + 90s);
  CHECK(verifying.stage == Stage::verifying);
  take_verification(verifying, says(true), noon + 150s);
  CHECK(verifying.outcome == Outcome::succeeded);
  Action undo = undoing();
  begin_attempt(undo, 0, noon + 5min);
  take_up_again(undo, noon + 6min);
  CHECK(undo.stage == Stage::undo_queued);
}

TEST_CASE("what belongs to somebody else is handed over before anything is sent") {
  Action action = planned();
  action.plan.executor = "kubernetes";
  const Findings found{.reading = says(true),
                       .report = Report{.what = Report::What::handed_over,
                                        .text = "spec.replicas is managed by argocd"}};
  take_findings(action, found, noon, 0);
  CHECK(action.outcome == Outcome::handed_over);
  CHECK(action.reason == "spec.replicas is managed by argocd");
  CHECK(action.attempts == 0);
}

TEST_CASE("a check that cannot be made keeps the action from being sent") {
  Action action = planned();
  action.plan.executor = "kubernetes";
  take_findings(action,
                {.reading = says(true), .report = Report{.text = "the API does not answer"}}, noon,
                0);
  CHECK(action.stage == Stage::queued);
  CHECK(task_of(action, action.next_at) == Task::check);
  take_findings(action,
                {.reading = says(true),
                 .report = Report{.what = Report::What::refused, .text = "below its budget"}},
                noon, 0);
  CHECK(action.stage == Stage::held);
  CHECK(action.outcome == Outcome::suppressed);
}

TEST_CASE("an expression that holds whatever the data say is no condition") {
  for (const char* text : {"up", "sum(rate(errors[5m]))", "up{job!=\"x\"}", "a > bool 1",
                           "label_replace(up, \"a\", \"x<y\", \"\", \"\")"}) {
    CAPTURE(text);
    CHECK(!parse_condition(text));
  }
  CHECK(condition_of("sum(rate(errors{a!=\"<\"}[5m])) < 0.1").left ==
        "sum(rate(errors{a!=\"<\"}[5m]))");
  CHECK(condition_of("a >= on (job) b").left == "a");
  CHECK(condition_of("(a < 1)").left.empty());
  CHECK(condition_of("a < 1 and b > 2").left.empty());
  CHECK(condition_of("absent(up)").left.empty());
}

TEST_CASE("a condition holds by its series, and its evidence is what it compares") {
  const Condition condition = condition_of("errors < 1");
  const auto of = [](std::vector<double> values) {
    return Answered{.values = std::move(values), .trouble = ""};
  };
  const Answered silent{.values = std::nullopt, .trouble = "timeout"};
  Reading reading = read_condition(condition, of({0}), of({0}));
  CHECK(reading.holds);
  CHECK(reading.value == 0);
  reading = read_condition(condition, of({}), of({3}));
  CHECK(!reading.holds);
  CHECK(reading.words == "errors is 3");
  reading = read_condition(condition, of({}), of({}));
  CHECK(!reading.holds);
  CHECK(reading.words == "no data: errors has no series");
  reading = read_condition(condition, silent, silent);
  CHECK(!reading.holds);
  CHECK(reading.words == "no answer: timeout");
  reading = read_condition(parse_condition("sum(a)\n    / sum(b) > 1").value(), of({2}), of({2}));
  CHECK(reading.words == "sum(a) / sum(b) is 2");
}

TEST_CASE("an action is restored from the journal as it was, and an older agent reads it as done") {
  const Action action = undoing();
  const auto json = to_json(action);
  CHECK(json["stage"] == "done");
  CHECK(json["outcome"] == "sent");
  const auto restored = action_from_json(json);
  REQUIRE(restored);
  CHECK(to_json(*restored) == json);
  CHECK(restored->stage == Stage::undo_queued);
  CHECK(restored->plan.undo->url == "http://registry/promote");
  CHECK(restored->course.readings.size() == action.course.readings.size());
  // Of an agent that knew no plans: it took the receiver's word.
  wire::Json old = json;
  old.erase("life");
  old["outcome"] = "succeeded";
  REQUIRE(action_from_json(old));
  CHECK(action_from_json(old)->outcome == Outcome::accepted);
}

TEST_CASE("a job that came a step further is told to the history, one that goes on is not") {
  Action action = planned();
  take_precondition(action, says(true), noon);
  begin_attempt(action, 0, noon);
  const Report begins{.what = Report::What::going_on, .text = "begins", .receipt = {{"step", 0}}};
  CHECK(take_report(action, begins, noon, 0) == "begins");
  CHECK(take_report(action, {.what = Report::What::going_on, .text = "waits"}, noon, 0).empty());
  const Report next{.what = Report::What::going_on, .text = "next", .receipt = {{"step", 1}}};
  CHECK(take_report(action, next, noon, 0) == "next");
  CHECK(action.course.receipt["step"] == 1);
  CHECK(action.reason == "next");
}
