// SPDX-License-Identifier: Apache-2.0
#include "detectors/pane_looks.h"

#include <limits>

#include "test/support/catch.h"

using namespace outrider::detectors;

TEST_CASE(
    "looks are due at 500 rows and at each doubling, and spend half of what is left to them") {
  PaneLooks looks(500);
  CHECK(looks.due(499) == 0);
  CHECK(looks.next_rows() == 500);
  const struct {
    std::uint64_t rows;
    double share;
  } due[] = {{500, 0.25}, {1000, 0.125}, {2000, 0.0625}, {4000, 0.03125}};
  for (const auto& one : due) {
    CHECK(looks.due(one.rows - 1) == 0);
    CHECK(looks.due(one.rows) == one.share);
    looks.take(one.rows);
    CHECK(looks.due(one.rows) == 0);
    CHECK(looks.next_rows() == 2 * one.rows);
  }
}

TEST_CASE("the looks of a pane and its end spend its budget, all of it and no more") {
  for (const std::uint64_t step : {1, 7, 100, 833, 10'000, 1'000'000}) {
    PaneLooks looks(500);
    double spent = 0;
    for (std::uint64_t rows = step; rows <= 30 * step; rows += step) {
      const double share = looks.due(rows);
      if (share > 0) looks.take(rows);
      spent += share;
    }
    INFO("steps of " << step);
    CHECK(spent <= 0.5);
    CHECK(spent + looks.rest() == Approx(1).epsilon(1e-15));
  }
}

TEST_CASE("a look that passes several thresholds spends what was theirs") {
  PaneLooks looks(500);
  CHECK(looks.due(4166) == 0.25 + 0.125 + 0.0625 + 0.03125);
  looks.take(4166);
  CHECK(looks.next_rows() == 8000);
}

TEST_CASE("a pane without a look has all of its budget at its end, and so has the next pane") {
  PaneLooks looks(500);
  CHECK(looks.rest() == 1);
  looks.take(100'000);
  CHECK(looks.rest() < 0.51);
  looks.begin();
  CHECK(looks.rest() == 1);
  CHECK(looks.next_rows() == 500);
}

TEST_CASE("no number of rows breaks it") {
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  PaneLooks looks(500);
  CHECK(looks.due(most) < 0.5);
  looks.take(most);
  CHECK(looks.due(most) == 0);
  CHECK(looks.next_rows() >= 500);
  looks.restore(255);
  CHECK(looks.rest() >= 0.5);
  PaneLooks never(0);
  CHECK(never.due(most) == 0);
}
