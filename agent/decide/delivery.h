// SPDX-License-Identifier: Apache-2.0
#pragma once

// What an answer to a webhook, or to the question after its job, means. PURE.
//
// To be tried again: no answer, 5xx, 408, 429; after what Retry-After asks (at most 15 min), where
// it asks. Any other 4xx is final: asking again would change nothing. Redirects are not followed.
// Every attempt carries the same Idempotency-Key, as RFC
// draft-ietf-httpapi-idempotency-key-header has it.

#include <optional>
#include <string>

#include "agent/decide/action.h"
#include "agent/decide/executor.h"

namespace outrider::decide {

struct Answer {
  int status = 0;             // 0: no answer.
  std::string error = {};     // Why there was none.
  std::string location = {};  // The headers of these names; "" when absent.
  std::string retry_after = {};
  std::string body = {};
  bool was_sent = true;  // status 0: false where nothing can have left the agent.
};

// Of an attempt. A job to be watched is `going_on`, with "job_url" in the receipt.
Report report_of(const Delivery& delivery, const Answer& answer, Time now);

// Of the question after its job. `going_on` without a text: nothing new.
Report report_of_job(const Delivery& delivery, const Answer& answer);

// The job's URL, absolute: from a 202 to a request to `request_url`. Only of the same origin: a
// receiver must not send the agent, with its credentials, elsewhere. Error "bad_job_url".
Result<std::string> resolve_job_url(const std::string& request_url, const std::string& reference);

}  // namespace outrider::decide
