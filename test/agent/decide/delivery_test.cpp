// SPDX-License-Identifier: Apache-2.0
#include "agent/decide/delivery.h"

#include "agent/decide/life.h"
#include "base/core/text.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::decide;
using namespace std::chrono_literals;

namespace {

const Time noon = *parse_rfc3339("2026-01-31T12:00:00Z");

Action queued_action() {
  Action action;
  action.id = "retrain-1";
  action.kind = Kind::retrain;
  action.stage = Stage::queued;
  action.created_at = action.updated_at = action.next_at = noon;
  action.queued_at = noon;
  action.delivery.url = "http://trainer:8080/retrain";
  return action;
}
Action sending_action() {
  Action action = queued_action();
  begin_attempt(action, 0, noon);
  return action;
}
std::string take_answer(Action& action, const Answer& answer, Time now, double unit) {
  return take_report(action, report_of(action.delivery, answer, now), now, unit);
}
std::string take_job_answer(Action& action, const Answer& answer, Time now) {
  return take_report(action, report_of_job(action.delivery, answer), now, 0);
}
Action watching_action() {
  Action action = sending_action();
  take_answer(action, {.status = 202, .location = "/jobs/7"}, noon, 0);
  return action;
}

}  // namespace

TEST_CASE("an attempt is counted before it is made") {
  const Action action = sending_action();
  CHECK(action.stage == Stage::sending);
  CHECK(action.outcome == Outcome::sent);
  CHECK(action.attempts == 1);
  CHECK(action.first_attempt_at == noon);
}

TEST_CASE("what an answer means") {
  struct Case {
    int status;
    Stage stage;
    Outcome outcome;
  };
  const std::vector<Case> cases = {
      {200, Stage::done, Outcome::accepted}, {202, Stage::done, Outcome::accepted},
      {204, Stage::done, Outcome::accepted}, {301, Stage::done, Outcome::failed},
      {400, Stage::done, Outcome::failed},   {404, Stage::done, Outcome::failed},
      {409, Stage::done, Outcome::failed},   {408, Stage::queued, Outcome::sent},
      {429, Stage::queued, Outcome::sent},   {500, Stage::queued, Outcome::sent},
      {503, Stage::queued, Outcome::sent},   {0, Stage::queued, Outcome::sent}};
  for (const Case& one : cases) {
    Action action = sending_action();
    take_answer(action, {.status = one.status, .error = "refused"}, noon, 0);
    CAPTURE(one.status);
    CHECK(action.stage == one.stage);
    CHECK(action.outcome == one.outcome);
  }
  Action accepted = sending_action();
  accepted.delivery.accept = {409};
  take_answer(accepted, {.status = 409}, noon, 0);
  CHECK(accepted.outcome == Outcome::accepted);
}

TEST_CASE("a refusal quotes the receiver") {
  Action action = sending_action();
  take_answer(action, {.status = 400, .body = R"({"error":"bad","message":"no such model"})"}, noon,
              0);
  CHECK(action.reason == "refused, HTTP 400: no such model");
  Action long_winded = sending_action();
  take_answer(long_winded, {.status = 400, .body = std::string(9999, 'x') + "\n"}, noon, 0);
  CHECK(long_winded.reason.size() < 400);
}

TEST_CASE("retries back off by doubling to a minute, with jitter, and end") {
  Action action = queued_action();
  Time now = noon;
  std::vector<Duration> delays;
  while (action.stage != Stage::done) {
    begin_attempt(action, 0, now);
    take_answer(action, {.status = 503}, now, 0);
    if (action.stage == Stage::done) break;
    delays.push_back(action.next_at - now);
    now = action.next_at;
  }
  REQUIRE(delays.size() > 8);
  CHECK(delays[0] == 1s);
  CHECK(delays[1] == 2s);
  CHECK(delays[5] == 32s);
  CHECK(delays[6] == 60s);
  CHECK(delays.back() == 60s);
  CHECK(now - noon <= 15min);
  CHECK(action.outcome == Outcome::failed);
  CHECK_THAT(action.reason, Catch::Contains("given up after " + std::to_string(action.attempts)));
  Action jittered = sending_action();
  take_answer(jittered, {.status = 503}, noon, 0.999);
  CHECK(jittered.next_at - noon < 510ms);
}

TEST_CASE("Retry-After is honoured, in seconds or as a date, within bounds") {
  Action action = sending_action();
  take_answer(action, {.status = 429, .retry_after = "20"}, noon, 0);
  CHECK(action.next_at == noon + 20s);
  Action patient = sending_action();
  patient.delivery.retry_for = 1h;
  take_answer(patient, {.status = 503, .retry_after = "86400"}, noon, 0);
  CHECK(patient.next_at == noon + 15min);
}

TEST_CASE("an accepted job is watched to its end") {
  Action action = watching_action();
  CHECK(action.stage == Stage::watching);
  CHECK(action.outcome == Outcome::sent);
  CHECK(action.job_url == "http://trainer:8080/jobs/7");
  CHECK(action.next_at == noon + 2s);
  CHECK(take_job_answer(action, {.status = 200, .body = R"({"state":"running"})"}, noon + 2s)
            .empty());
  CHECK(action.stage == Stage::watching);
  CHECK(action.next_at == noon + 4s);
  Action refused = action;
  take_job_answer(action,
                  {.status = 200, .body = R"({"state":"Succeeded","message":"v2 promoted"})"},
                  noon + 4s);
  CHECK(action.stage == Stage::done);
  CHECK(action.outcome == Outcome::accepted);
  CHECK_THAT(action.reason, Catch::StartsWith("the job Succeeded: v2 promoted; not verified"));
  take_job_answer(refused,
                  {.status = 200, .body = R"({"state":"refused","message":"gate accuracy"})"},
                  noon + 4s);
  CHECK(refused.outcome == Outcome::failed);
}

TEST_CASE("a job that is forgotten, silent or never ends has failed") {
  Action gone = watching_action();
  take_job_answer(gone, {.status = 404}, noon + 2s);
  CHECK(gone.outcome == Outcome::failed);
  Action silent = watching_action();
  take_job_answer(silent, {.status = 0, .error = "unreachable"}, noon + 30min);
  CHECK(silent.stage == Stage::watching);
  take_job_answer(silent, {.status = 0, .error = "unreachable"}, noon + 61min);
  CHECK(silent.outcome == Outcome::failed);
  CHECK_THAT(
      silent.reason,
      Catch::Contains("did not end within 1h; its last state: no state from it: unreachable"));
  Action garbled = watching_action();
  take_job_answer(garbled, {.status = 200, .body = "<html>"}, noon + 2s);
  CHECK(garbled.stage == Stage::watching);
}

TEST_CASE("a job's URL comes from the header or the body, and only from the same origin") {
  CHECK(*resolve_job_url("http://t:80/a?b", "/jobs/1") == "http://t:80/jobs/1");
  CHECK(*resolve_job_url("http://t:80/a", "http://t:80/jobs/1") == "http://t:80/jobs/1");
  CHECK(!resolve_job_url("http://t:80/a", "http://elsewhere/jobs/1"));
  CHECK(!resolve_job_url("http://t:80/a", "http://t:80@elsewhere/jobs/1"));
  CHECK(!resolve_job_url("http://t:80/a", "//elsewhere/jobs/1"));
  CHECK(!resolve_job_url("http://t:80/a", "jobs/1"));
  Action from_body = sending_action();
  from_body.delivery.job.url_pointer = "/job/href";
  take_answer(from_body, {.status = 202, .body = R"({"job":{"href":"/j/2"}})"}, noon, 0);
  CHECK(from_body.job_url == "http://trainer:8080/j/2");
  Action elsewhere = sending_action();
  take_answer(elsewhere, {.status = 202, .location = "http://evil/j"}, noon, 0);
  CHECK(elsewhere.stage == Stage::done);
  CHECK(elsewhere.outcome == Outcome::accepted);
  CHECK_THAT(elsewhere.reason, Catch::Contains("not watched"));
}

TEST_CASE(
    "after a restart an attempt that nobody heard the end of is made again with the same key") {
  Action action = sending_action();
  CHECK_THAT(take_up_again(action, noon + 1min),
             Catch::Contains("sent again with the same idempotency key"));
  CHECK(action.stage == Stage::queued);
  CHECK(action.next_at == noon + 1min);
  CHECK(action.id == "retrain-1");
  Action watching = watching_action();
  CHECK(take_up_again(watching, noon).empty());
  CHECK(watching.stage == Stage::watching);
}

TEST_CASE("a person approves or rejects what waits for one, and nothing else") {
  Action action = queued_action();
  CHECK(approve(action, "ada", false, noon).error().code == "not_held");
  action.stage = Stage::held;
  action.needs_approval = true;
  Action rejected = action;
  CHECK(approve(action, "ada", true, noon).error().code == "dry_run");
  REQUIRE(approve(action, "ada", false, noon + 1s));
  CHECK(action.stage == Stage::queued);
  CHECK(action.queued_at == noon + 1s);
  CHECK(action.reason == "approved by ada");
  CHECK(approve(action, "ada", false, noon).error().code == "not_held");
  REQUIRE(reject(rejected, "bob", "known outage", noon));
  CHECK(rejected.outcome == Outcome::suppressed);
  CHECK(rejected.stage == Stage::done);
  CHECK(rejected.reason == "rejected by bob: known outage");
}

TEST_CASE("when the incident ends, what has not left is called off") {
  Action waiting = queued_action();
  waiting.stage = Stage::held;
  waiting.needs_approval = true;
  CHECK(call_off(waiting, noon));
  CHECK(waiting.outcome == Outcome::suppressed);
  Action dry = queued_action();
  dry.stage = Stage::held;
  dry.reason = "dry run";
  CHECK(call_off(dry, noon));
  CHECK(dry.stage == Stage::done);
  CHECK(dry.outcome == Outcome::recommended);
  CHECK(dry.reason == "dry run");
  Action fresh = queued_action();
  CHECK(call_off(fresh, noon));
  CHECK(fresh.outcome == Outcome::suppressed);
  Action retried = sending_action();
  take_answer(retried, {.status = 503}, noon, 0);
  CHECK(call_off(retried, noon));
  CHECK(retried.outcome == Outcome::failed);
  Action ticket = queued_action();
  ticket.kind = Kind::ticket;
  CHECK(!call_off(ticket, noon));
  Action job = watching_action();
  CHECK(!call_off(job, noon));
  CHECK(!call_off(job, noon));
}

TEST_CASE("an action is the same after a round trip through the journal's JSON") {
  Action action = watching_action();
  action.delivery.headers = {{"A", "b"}, {"Idempotency-Key", "k"}};
  action.delivery.accept = {409};
  action.delivery.body = "{\"a\": \"\\u00e9\"}";
  const auto read = action_from_json(*wire::parse_json(wire::to_text(to_json(action))));
  REQUIRE(read);
  CHECK(to_json(*read) == to_json(action));
  CHECK(action_from_json(wire::Json::object()).error().code == "bad_action");
  action.delivery.credentials_file = "/secret/path";
  CHECK(wire::to_text(to_public_json(action)).find("/secret/path") == std::string::npos);
}
