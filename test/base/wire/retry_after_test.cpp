// SPDX-License-Identifier: Apache-2.0
#include "base/wire/retry_after.h"

#include "test/support/catch.h"

using namespace outrider;
using namespace std::chrono_literals;

namespace {

const Time start = Time{1'700'000'000s};  // Tue, 14 Nov 2023 22:13:20 GMT

std::optional<Duration> wait(const char* text) {
  return wire::parse_retry_after(text, start);
}

}  // namespace

TEST_CASE("Retry-After is read as seconds and as a date in each of RFC 9110's forms") {
  CHECK(wait("7") == 7s);
  CHECK(wait(" 0 ") == 0s);
  CHECK(wait("Tue, 14 Nov 2023 22:13:50 GMT") == 30s);
  CHECK(wait("Tuesday, 14-Nov-23 22:13:50 GMT") == 30s);
  CHECK(wait("Tue Nov 14 22:13:50 2023") == 30s);
}

TEST_CASE("what is no Retry-After, or lies in the past, is nothing") {
  for (const char* text :
       {"", "soon", "-1", "99999999999999999999", "Tue, 31 Feb 2023 22:00:00 GMT",
        "Tue, 14 Nov 2023 22:00:00 GMT", "Die, 14 Nov 2023 22:13:50"}) {
    CAPTURE(text);
    CHECK_FALSE(wait(text));
  }
}
