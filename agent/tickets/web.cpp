// SPDX-License-Identifier: Apache-2.0
#include "agent/tickets/web.h"

#include <algorithm>

#include "base/config/yaml.h"
#include "base/core/text.h"
#include "base/core/version.h"
#include "base/wire/retry_after.h"

namespace outrider::tickets {
namespace {

using wire::Json;

constexpr std::size_t answer_bytes_max = 16 << 20;  // A page of issues with long texts.
constexpr std::size_t credentials_bytes_max = 64 << 10;
constexpr std::size_t said_bytes_max = 300;
constexpr Duration wait_max = std::chrono::minutes(15);
constexpr Duration limit_wait = std::chrono::minutes(1);  // As GitHub asks where it tells no time.
constexpr std::uint64_t reset_max = 9'000'000'000;        // Unix seconds; past it no time.

// What the system says went wrong, in its own words.
std::string said(const net::ClientResponse& response) {
  const auto json = wire::parse_json(response.body);
  std::string text;
  if (json && json->is_object()) {
    for (const char* key : {"message", "errorMessages", "errors"}) {
      const auto found = json->find(key);
      if (found == json->end() || found->empty()) continue;
      text += (text.empty() ? "" : " ") +
              (found->is_string() ? found->get<std::string>() : wire::to_text(*found));
    }
  }
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  if (text.size() > said_bytes_max) {
    text.resize(said_bytes_max);
    while (!is_valid_utf8(text)) text.pop_back();
    text += "…";
  }
  return text.empty() ? "" : ": " + text;
}

// GitHub answers 403 for what it does not allow and for what was too much.
bool is_limited(const net::ClientResponse& response) {
  if (response.status == 429) return true;
  if (response.status != 403) return false;
  return response.header("X-RateLimit-Remaining") == "0" ||
         !response.header("Retry-After").empty() ||
         lower_ascii(response.body).find("rate limit") != std::string::npos;
}

}  // namespace

std::optional<Duration> wait_of(const net::ClientResponse& response, Time now) {
  if (const auto asked = wire::parse_retry_after(response.header("Retry-After"), now))
    return std::clamp<Duration>(*asked, Duration{}, wait_max);
  if (!is_limited(response)) return std::nullopt;
  const auto reset = parse_uint(response.header("X-RateLimit-Reset"));
  if (response.header("X-RateLimit-Remaining") == "0" && reset && *reset <= reset_max) {
    const Duration until = Time{} + std::chrono::seconds(*reset) - now;
    return std::clamp<Duration>(until, std::chrono::seconds(1), wait_max);
  }
  return response.status == 403 ? std::optional(limit_wait) : std::nullopt;
}

Result<Json> read_answer(const Target& target, const net::ClientResponse& response, Time now) {
  const int status = response.status;
  const std::string what =
      std::string(name(target.system)) + " answered " + std::to_string(status) + said(response);
  if (status >= 200 && status < 300) {
    if (trim(response.body).empty()) return Json();
    auto json = wire::parse_json(response.body);
    // Behind a sign-on page every answer is a 200 of HTML.
    if (!json) return fail("refused", what + ", and no JSON: is " + target.url + " its API?");
    return std::move(*json);
  }
  if (status >= 500 || status == 408 || status == 425 || is_limited(response)) {
    const auto wait = wait_of(response, now);
    return fail("retry", what + (wait ? "; it asks to wait " + format_duration(*wait) : ""));
  }
  if (status == 404)
    return fail("not_found",
                what + "; what the token of credentials_file may not see is not there");
  std::string hint;
  if (status == 401 || status == 403)
    hint = "; look at the rule's credentials_file and at what its token may do";
  if (status >= 300 && status < 400) hint = "; redirects are not followed: write its own address";
  return fail("refused", what + hint);
}

Result<std::string> credentials_of(const Target& target) {
  const auto secret = config::read_file(target.credentials_file, credentials_bytes_max);
  if (!secret) return fail("retry", "its credentials: " + secret.error().message);
  std::string text(trim(*secret));
  if (text.empty()) return fail("retry", "its credentials: the file is empty");
  return text;
}

Result<net::ClientRequest> HttpWeb::request_of(const std::string& method, const std::string& path,
                                               const Json& body) const {
  net::ClientRequest request{.method = method, .url = target_.url + path};
  request.body_bytes_max = answer_bytes_max;
  request.ca_file = target_.ca_file;
  request.headers = {{"Accept", "application/json"},
                     {"User-Agent", "outrider-agent/" + std::string(version())}};
  if (!body.is_null()) {
    request.body = wire::to_text(body);
    request.headers.push_back({"Content-Type", "application/json"});
  }
  if (target_.system == System::github) {
    request.headers[0].value = "application/vnd.github+json";
    request.headers.push_back({"X-GitHub-Api-Version", "2022-11-28"});
  }
  if (target_.system == System::pagerduty) return request;  // Whose key is in the body.
  const auto secret = credentials_of(target_);
  if (!secret) return fail(secret);
  const std::size_t colon = secret->find(':');
  if (target_.system == System::jira && colon != std::string::npos) {
    request.user = secret->substr(0, colon);
    request.password = secret->substr(colon + 1);
  } else {
    request.headers.push_back({"Authorization", "Bearer " + *secret});
  }
  return request;
}

Result<Json> HttpWeb::ask(const std::string& method, const std::string& path, const Json& body) {
  wait.reset();
  status = 0;
  if (check_host_) {
    if (auto allowed = check_host_(target_.url); !allowed)
      return fail("refused", allowed.error().message);
  }
  auto request = request_of(method, path, body);
  if (!request) return fail(request);
  const auto left = until_ - std::chrono::steady_clock::now();
  request->timeout =
      std::max<Duration>(std::chrono::duration_cast<Duration>(left), std::chrono::seconds(1));
  const auto response = client_.send(*request);
  if (!response) {
    const std::string_view code = response.error().code;
    may_have_acted |= method != "GET" && code != "unreachable" && code != "tls_failed";
    return fail("retry", target_.url + ": " + response.error().message);
  }
  status = response->status;
  may_have_acted |= method != "GET" && status >= 500;
  wait = wait_of(*response, clock_.now());
  return read_answer(target_, *response, clock_.now());
}

}  // namespace outrider::tickets
