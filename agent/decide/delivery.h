// SPDX-License-Identifier: Apache-2.0
#pragma once

// What an answer to a webhook, or to the question after its job, means for the action. PURE: each
// function changes the action and returns what to write in its history.
//
// Retried: no answer, 5xx, 408, 429; with exponential back-off from 1 s to 1 min with jitter, or as
// Retry-After asks (at most 15 min), until retry_for has passed since the first attempt. Any other
// 4xx is final: asking again would change nothing. Redirects are not followed. Every attempt
// carries the same Idempotency-Key, as RFC draft-ietf-httpapi-idempotency-key-header has it.

#include <optional>
#include <string>

#include "agent/decide/action.h"

namespace outrider::decide {

struct Answer {
  int status = 0;             // 0: no answer.
  std::string error = {};     // Why there was none.
  std::string location = {};  // The headers of these names; "" when absent.
  std::string retry_after = {};
  std::string body = {};
};

// Before a request leaves: counts the attempt.
void begin_attempt(Action& action, Time now);

// After it. `unit` is uniform in [0, 1). The returned line is for the action's history.
std::string take_answer(Action& action, const Answer& answer, Time now, double unit);

// After the job was asked for.
std::string take_job_answer(Action& action, const Answer& answer, Time now);

// After a restart: an attempt whose answer nobody heard is made again, with the same key.
std::string take_up_again(Action& action, Time now);

// The incident ended while the action was held, or still being retried and would change production.
// True if that changed it. A recommendation of a dry run stays one.
bool call_off(Action& action, Time now);

// A person's word. Errors: "not_held" (nothing waits for a person), "dry_run".
Result<void> approve(Action& action, const std::string& person, bool dry_run, Time now);
Result<void> reject(Action& action, const std::string& person, const std::string& why, Time now);

// The job's URL, absolute: from a 202 to a request to `request_url`. Only of the same origin: a
// receiver must not send the agent, with its credentials, elsewhere. Error "bad_job_url".
Result<std::string> resolve_job_url(const std::string& request_url, const std::string& reference);

}  // namespace outrider::decide
