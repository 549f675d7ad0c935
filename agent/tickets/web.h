// SPDX-License-Identifier: Apache-2.0
#pragma once

// One ticket system's HTTP API: a question and its answer as JSON, with what a failure means.
// SHELL: an HttpClient; tests have an interface to play.

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "agent/tickets/target.h"
#include "base/net/http_client.h"

namespace outrider::tickets {

// Whether the agent may call a URL. Error "host_not_allowed".
using CheckHost = std::function<Result<void>(const std::string& url)>;

class Web {
 public:
  virtual ~Web() = default;
  // `path` hangs below the target's URL. The answer of a 2xx, null where it has no body. Errors:
  // "retry" (no answer, 5xx, 408, 425, 429, a used-up rate limit: may go well later), "not_found"
  // (404), "refused" (any other: asking again changes nothing).
  virtual Result<wire::Json> ask(const std::string& method, const std::string& path,
                                 const wire::Json& body = {}) = 0;
  // Of the last "retry": how long it asked to wait, if it did.
  std::optional<Duration> wait;
  int status = 0;  // Of the last answer; 0: there was none.
  // A request that may change something went out, and no answer says whether it did.
  bool may_have_acted = false;
};

// PURE. How long an answer asks to wait, at most 15 minutes: Retry-After, or GitHub's
// X-RateLimit-Reset where nothing remains; a minute for a limit of GitHub's that tells neither.
std::optional<Duration> wait_of(const net::ClientResponse& response, Time now);
// PURE. What an answer is: its JSON, or one of the errors above with the system's own words.
Result<wire::Json> read_answer(const Target& target, const net::ClientResponse& response, Time now);

class HttpWeb final : public Web {
 public:
  // `timeout`: of the whole conversation. The credentials are read at each question: they are
  // rotated under us.
  HttpWeb(const Target& target, Duration timeout, const Clock& clock, CheckHost check_host)
      : target_(target),
        until_(std::chrono::steady_clock::now() + timeout),
        clock_(clock),
        check_host_(std::move(check_host)) {}
  Result<wire::Json> ask(const std::string& method, const std::string& path,
                         const wire::Json& body = {}) override;

 private:
  Result<net::ClientRequest> request_of(const std::string& method, const std::string& path,
                                        const wire::Json& body) const;

  const Target& target_;
  const std::chrono::steady_clock::time_point until_;
  const Clock& clock_;
  const CheckHost check_host_;
  net::HttpClient client_;
};

// The credentials of a target. Error "retry": a file that is not there yet may come.
Result<std::string> credentials_of(const Target& target);

}  // namespace outrider::tickets
