// SPDX-License-Identifier: Apache-2.0
#include "base/core/backoff.h"

#include "test/support/catch.h"

using namespace outrider;
using namespace std::chrono_literals;

TEST_CASE("back-off doubles up to its limit, with jitter below, and starts anew after a success") {
  Backoff backoff({.initial = 30ms, .max = 100ms, .jitter = 0.5});
  CHECK(backoff.next(0) == 30ms);
  CHECK(backoff.next(0) == 60ms);
  CHECK(backoff.next(0) == 100ms);
  CHECK(backoff.next(1) == 50ms);
  backoff.reset();
  CHECK(backoff.next(0) == 30ms);
}
