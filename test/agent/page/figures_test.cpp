// SPDX-License-Identifier: Apache-2.0
#include "agent/page/figures.h"

#include <cmath>

#include "test/support/catch.h"

namespace outrider::page {
namespace {

TEST_CASE("a share is a percentage, and neither all nor nothing unless it is") {
  CHECK(figure(Unit::share, 0.9523) == "95.2 %");
  CHECK(figure(Unit::share, 1) == "100 %");
  CHECK(figure(Unit::share, 0.99996) == "> 99.9 %");
  CHECK(figure(Unit::share, 0) == "0 %");
  CHECK(figure(Unit::share, 0.00001) == "< 0.01 %");
  CHECK(figure(Unit::share, 0.0042) == "0.42 %");
}

TEST_CASE("a rate is told in the unit that a person can count") {
  CHECK(figure(Unit::rate, 0) == "0/s");
  CHECK(figure(Unit::rate, 1234) == "1234/s");
  CHECK(figure(Unit::rate, 12.34) == "12.3/s");
  CHECK(figure(Unit::rate, 0.05) == "3/min");
  CHECK(figure(Unit::rate, 0.01) == "36/h");
}

TEST_CASE("other figures have their units, too") {
  CHECK(figure(Unit::ratio, 1.8) == "1.80 ×");
  CHECK(figure(Unit::milliseconds, 120) == "120 ms");
  CHECK(figure(Unit::milliseconds, 1500) == "1.50 s");
  CHECK(figure(Unit::number, 42) == "42");
  CHECK(figure(Unit::number, 12.345) == "12.3");
  CHECK(figure(Unit::number, 22169) == "22\u202F169");
  CHECK(figure(Unit::number, 2216) == "2216");
}

TEST_CASE("what is no number is not known") {
  CHECK(figure(Unit::share, std::nan("")) == "not known");
  CHECK(figure(Unit::number, INFINITY) == "not known");
}

}  // namespace
}  // namespace outrider::page
