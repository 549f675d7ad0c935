// SPDX-License-Identifier: Apache-2.0
#include "predictor/serve/service_line.h"

#include "test/support/catch.h"

using namespace outrider::serve;
using namespace std::chrono_literals;

namespace {
const ServiceLine::Steady start = ServiceLine::Steady{} + 1h;
}

TEST_CASE("a request that nobody is ahead of takes its service time") {
  ServiceLine line(1, 40ms);
  CHECK(line.join(start) == start + 40ms);
  CHECK(line.join(start + 1s) == start + 1040ms);
}

TEST_CASE("requests wait for those that came before them") {
  ServiceLine line(1, 40ms);
  CHECK(line.join(start) == start + 40ms);
  CHECK(line.join(start + 10ms) == start + 80ms);
  CHECK(line.join(start + 10ms) == start + 120ms);
  CHECK(line.join(start + 115ms) == start + 160ms);
}

TEST_CASE("as many requests as there are places do not wait for each other") {
  ServiceLine line(3, 100ms);
  for (int i = 0; i < 3; ++i) CHECK(line.join(start) == start + 100ms);
  CHECK(line.join(start + 20ms) == start + 200ms);
}

TEST_CASE("a line of no places has one") {
  ServiceLine line(0, 10ms);
  CHECK(line.join(start) == start + 10ms);
  CHECK(line.join(start) == start + 20ms);
}
