// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the agent wants done about an incident, and how far that has come. PURE values.

#include <optional>
#include <string>
#include <vector>

#include "agent/incident/identity.h"
#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/wire/json.h"

namespace outrider::decide {

enum class Kind { retrain, scale, rollback, ticket, notify, restart, runbook };
inline constexpr std::size_t kind_count = 7;
std::string_view name(Kind kind);
std::optional<Kind> parse_kind(std::string_view text);

// Retrain, scale, rollback, restart and runbook change production: they have a cool-down by
// default, count against the breaker, and are called off when the incident ends first. Ticket and
// notify only tell people.
bool changes_production(Kind kind);

enum class Outcome {
  recommended,
  suppressed,
  sent,
  succeeded,    // Accepted, and what the rule says under `verify` came true.
  failed,       // Refused, given up, or its job failed.
  accepted,     // Its receiver took it; whether it helped nobody looked.
  undone,       // It was not seen to help, and was taken back.
  handed_over,  // A person must look: not verified and not undone, or not the agent's to change.
  expired,      // Nobody approved it in time, or it could not be sent in time.
};
inline constexpr std::size_t outcome_count = 9;
std::string_view name(Outcome outcome);
std::optional<Outcome> parse_outcome(std::string_view text);

// Where an action stands; the outcome says what that means to a person.
enum class Stage {
  held,      // Nothing is sent; while the incident is open it is decided anew.
  queued,    // To be sent, at next_at. In the journal before anything leaves the agent.
  sending,   // A request is, or was when the agent died, on its way.
  watching,  // The receiver works on it; its job is asked for at next_at.
  done,
  verifying,    // Accepted; whether it helped is read at next_at, until Course::verify_by.
  undo_queued,  // As queued, sending and watching, of what takes it back.
  undo_sending,
  undo_watching,
};
std::string_view name(Stage stage);

// How a receiver tells that the job it accepted has ended.
struct JobWatch {
  bool enabled = true;      // Only if the answer is 202 and names a job.
  std::string url_pointer;  // JSON pointer into the 202's body; empty: the Location header.
  std::string state_pointer = "/state";
  std::vector<std::string> succeeded = {"succeeded", "success", "completed", "done"};
  std::vector<std::string> failed = {"failed",  "failure",  "error",
                                     "refused", "rejected", "cancelled"};
  Duration every = std::chrono::seconds(2);
  Duration timeout = std::chrono::hours(1);
};

// One request, rendered, with how to insist on it. Credentials stay in their file until it is sent.
struct Delivery {
  std::string method = "POST";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::string authorization_type = "Bearer";
  std::string credentials_file;  // Empty: no Authorization header.
  std::string signing_key_file;  // Of this receiver alone; empty: the agent's, if it has one.
  std::string ca_file;           // Empty: the system's authorities.
  Duration timeout = std::chrono::seconds(10);
  Duration retry_for = std::chrono::minutes(15);  // From the first attempt.
  std::vector<int> accept;                        // Besides 2xx: 409 where a repeat answers so.
  JobWatch job;
};

// A PromQL expression that holds where its answer has a series, as an alert's does. No answer and
// no data: it does not hold.
struct Condition {
  std::string query;
  // What it compares ("a" of "a < 3"), asked besides, so that the value can be told where the
  // expression does not hold. "": the expression is no single comparison.
  std::string left;
  bool operator==(const Condition&) const = default;
};

// How it is seen that an action helped. One of `query` and the incident's end.
struct Verify {
  Condition condition;
  bool incident_ended = false;  // The agent's own verdict: the incident's alerts have ended.
  Duration within = std::chrono::minutes(10);  // From when it was accepted.
  Duration lasting{};                          // So long, without a gap.
};

// What was read, when, and what came of it. `value` is of the condition's left side.
struct Reading {
  enum class Moment { decision, sending, verifying, end };
  Moment moment = Moment::decision;
  std::string of = {};  // precondition, verify
  Time at = {};
  std::string query = {};
  std::optional<double> value = {};
  bool holds = false;
  std::string words = {};  // For people: "sum(up) is 3", "no data".
};
std::string_view name(Reading::Moment moment);

// What the rule says about an action beyond its request, rendered at the decision.
struct Plan {
  std::optional<Condition> precondition;
  std::optional<Verify> verify;
  std::optional<Delivery> undo;  // A webhook that takes it back.
  bool undo_by_executor = false;
  Duration undo_within = std::chrono::minutes(5);
  Duration expires = std::chrono::hours(24);         // Waiting for a person.
  Duration start_within = std::chrono::minutes(15);  // From let go to the first attempt.
  std::string executor;                              // "": the webhook of Action::delivery.
  wire::Json target;   // What the rule says under the executor's name, placeholders filled in.
  std::string domain;  // "cluster=eu namespace=shop": one action at a time.
  std::optional<double> pods;  // That it touches, where that is known.
};

// How far it has come along its plan.
struct Course {
  std::optional<Time> checked_at;  // When the precondition was last seen to hold.
  std::optional<Time> accepted_at;
  std::optional<Time> verify_by;
  std::optional<Time> holding_since;  // Of `verify`, without a gap.
  bool held_once = false;
  bool may_have_acted =
      false;  // An attempt went out whose answer does not say that it did nothing.
  std::optional<Time> undo_by;
  std::optional<Time> undo_first_at;
  int undo_attempts = 0;
  std::string undo_why;
  int refusals = 0;  // Checks before sending that said no; held again, it waits until next_at.
  std::int64_t fencing_number = 0;  // Of the lease that it was sent under; 0: none.
  wire::Json receipt;               // The executor's own notes, for its undo.
  std::vector<Reading> readings;    // One a moment and `of`: the latest.
};

struct Action {
  std::string id;  // The idempotency key: one an incident's episode and rule.
  std::string incident;
  std::string rule;
  Kind kind = Kind::notify;
  std::string model, version, cluster, name_space, workload, owner;  // The incident's.
  Outcome outcome = Outcome::recommended;
  Stage stage = Stage::held;
  std::string reason;              // Why it stands where it stands. For people.
  bool needs_approval = false;     // Held until a person says yes or no.
  bool decided_by_person = false;  // Approved or rejected: the policy does not decide it again.
  std::string person;
  Time created_at;
  Time updated_at;
  std::optional<Time> queued_at;  // When it was let go; cool-down and breaker count from here.
  std::optional<Time> first_attempt_at;
  Time next_at;
  int attempts = 0;
  std::string job_url;
  std::optional<Time> watched_since;
  Delivery delivery;
  Plan plan = {};
  Course course = {};

  incident::Identity identity() const { return {cluster, name_space, workload, model, version}; }
};

// Where it stands in one word, for people and the API: recommended, suppressed, approved, sent,
// accepted, verifying, undoing, and, once it is done, its outcome.
std::string_view state(const Action& action);

// For the journal: all of a request, or of a condition. What reads throws on what was not written.
wire::Json to_json(const Delivery& delivery);
Delivery read_delivery(const wire::Json& json);
wire::Json to_json(const Verify& verify);
Verify read_verify(const wire::Json& json);

// For the journal: all of it. An agent that knew no plans reads the row too, as one that is done.
wire::Json to_json(const Action& action);
wire::Json to_public_json(const Action& action);  // For the API: without files' names and headers.
Result<Action> action_from_json(const wire::Json& json);  // Error "bad_action".

}  // namespace outrider::decide
