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

enum class Kind { retrain, scale, rollback, ticket, notify };
std::string_view name(Kind kind);
std::optional<Kind> parse_kind(std::string_view text);

// Retrain, scale and rollback change production: they have a cool-down by default, count against
// the breaker, and are called off when the incident ends first. Ticket and notify only tell people.
bool changes_production(Kind kind);

enum class Outcome { recommended, suppressed, sent, succeeded, failed };
std::string_view name(Outcome outcome);

// Where an action stands; the outcome says what that means to a person.
enum class Stage {
  held,      // Nothing is sent; while the incident is open it is decided anew.
  queued,    // To be sent, at next_at. In the journal before anything leaves the agent.
  sending,   // A request is, or was when the agent died, on its way.
  watching,  // The receiver works on it; its job is asked for at next_at.
  done,
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
  std::string ca_file;           // Empty: the system's authorities.
  Duration timeout = std::chrono::seconds(10);
  Duration retry_for = std::chrono::minutes(15);  // From the first attempt.
  std::vector<int> accept;                        // Besides 2xx: 409 where a repeat answers so.
  JobWatch job;
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

  incident::Identity identity() const { return {cluster, name_space, workload, model, version}; }
};

wire::Json to_json(const Action& action);         // For the journal: all of it.
wire::Json to_public_json(const Action& action);  // For the API: without files' names and headers.
Result<Action> action_from_json(const wire::Json& json);  // Error "bad_action".

}  // namespace outrider::decide
