// SPDX-License-Identifier: Apache-2.0
#include "agent/tickets/web.h"

#include "test/support/catch.h"

namespace outrider::tickets {
namespace {

using namespace std::chrono_literals;
constexpr Time now{1'700'000'000s};

net::ClientResponse response(int status, std::vector<net::Header> headers = {},
                             std::string body = "") {
  return {status, std::move(headers), std::move(body)};
}

std::string_view code_of(const net::ClientResponse& answer) {
  const auto read = read_answer(Target{}, answer, now);
  return read ? "" : read.error().code;
}

TEST_CASE("what may go well later is told apart from what will not") {
  CHECK(code_of(response(200, {}, "{}")).empty());
  CHECK(code_of(response(204)).empty());
  for (const int status : {408, 425, 429, 500, 502, 503})
    CHECK(code_of(response(status)) == "retry");
  for (const int status : {301, 400, 401, 403, 409, 410, 422})
    CHECK(code_of(response(status)) == "refused");
  CHECK(code_of(response(404)) == "not_found");
  CHECK(code_of(response(403, {{"X-RateLimit-Remaining", "0"}})) == "retry");
  CHECK(code_of(response(403, {{"Retry-After", "60"}})) == "retry");
  CHECK(code_of(response(403, {}, R"({"message": "You have exceeded a secondary rate limit."})")) ==
        "retry");
}

TEST_CASE("a system is left alone as long as it asks, a quarter of an hour at most") {
  CHECK(wait_of(response(429, {{"Retry-After", "30"}}), now) == std::optional<Duration>(30s));
  CHECK(wait_of(response(503, {{"Retry-After", "Tue, 14 Nov 2023 22:14:20 GMT"}}), now) ==
        std::optional<Duration>(60s));
  CHECK(wait_of(response(503, {{"Retry-After", "999999999"}}), now) ==
        std::optional<Duration>(15min));
  const net::Header none{"X-RateLimit-Remaining", "0"};
  CHECK(wait_of(response(403, {none, {"X-RateLimit-Reset", "1700000090"}}), now) ==
        std::optional<Duration>(90s));
  CHECK(wait_of(response(403, {none, {"X-RateLimit-Reset", "1"}}), now) ==
        std::optional<Duration>(1s));
  CHECK(wait_of(response(403, {none, {"X-RateLimit-Reset", "99999999999999"}}), now) ==
        std::optional<Duration>(1min));
  CHECK(wait_of(response(403, {}, R"({"message": "secondary rate limit"})"), now) ==
        std::optional<Duration>(1min));
  CHECK_FALSE(wait_of(response(500), now));
  CHECK_FALSE(wait_of(response(200, {none, {"X-RateLimit-Reset", "1700000090"}}), now));
}

TEST_CASE("a refusal has the system's own words, in one line") {
  const auto read = read_answer(
      Target{},
      response(422, {}, R"({"message": "Validation\nFailed", "errors": [{"field": "title"}]})"),
      now);
  REQUIRE_FALSE(read);
  CHECK_THAT(read.error().message, Catch::Contains("github answered 422: Validation Failed") &&
                                       Catch::Contains("\"title\""));
}

}  // namespace
}  // namespace outrider::tickets
