// SPDX-License-Identifier: Apache-2.0
#include "agent/diagnose/log_sites.h"

#include "test/support/catch.h"

using namespace outrider::diagnose;

namespace {
// Rows 0 … 19 are before, 20 … 23 now.
LogRows rows() {
  LogRows out;
  for (int i = 0; i < 24; ++i) (i < 20 ? out.before : out.now).push_back(i);
  return out;
}
void say(std::vector<LogCount>& counts, std::uint32_t site, double before, double now) {
  for (int i = 0; i < 24; ++i) {
    if (const double lines = i < 20 ? before : now; lines > 0)
      counts.push_back({static_cast<double>(i), site, lines});
  }
}
}  // namespace

TEST_CASE("a logging site that falls silent says as much as one that is new") {
  std::vector<LogCount> counts;
  say(counts, 0, 100, 100);
  say(counts, 1, 50, 0);
  say(counts, 2, 0, 50);
  const LogChanges found = log_changes(counts, rows());
  CHECK(found.fewer.site == 1);
  CHECK(found.fewer.excess > 1);
  CHECK(found.fewer.lines == 0);
  CHECK(found.more.site == 2);
  CHECK(found.more.excess > 1);
  CHECK(found.more.lines == 100);
  CHECK(found.more.time == 20);
}

TEST_CASE("more load makes more lines of every site, and that is no finding") {
  std::vector<LogCount> counts;
  say(counts, 0, 100, 1000);
  say(counts, 1, 50, 500);
  const LogChanges found = log_changes(counts, rows());
  CHECK(found.more.excess == 0);
  CHECK(found.fewer.excess == 0);
}

TEST_CASE("two lines where one was expected are within the error") {
  std::vector<LogCount> counts;
  say(counts, 0, 20, 20);
  say(counts, 1, 1, 2);
  CHECK(log_changes(counts, rows()).more.excess == 0);
}

TEST_CASE("a site that comes in bursts is expected to burst again") {
  std::vector<LogCount> counts;
  say(counts, 0, 100, 100);
  for (int i = 0; i < 20; i += 5) counts.push_back({static_cast<double>(i), 1, 60});
  counts.push_back({21, 1, 60});
  CHECK(log_changes(counts, rows()).more.excess == 0);
}

TEST_CASE("without rows before, and without a line now, nothing is said of a component's logs") {
  std::vector<LogCount> counts;
  say(counts, 0, 0, 40);
  CHECK(log_changes(counts, rows()).more.excess == 0);
  counts.clear();
  say(counts, 0, 40, 0);
  CHECK(log_changes(counts, rows()).fewer.excess == 0);
  CHECK(log_changes({}, {}).more.excess == 0);
}

TEST_CASE("a site is not said to fall silent because another one grew") {
  std::vector<LogCount> counts;
  say(counts, 0, 300, 300);
  say(counts, 1, 0.3, 150);
  const LogChanges found = log_changes(counts, rows());
  CHECK(found.more.site == 1);
  CHECK(found.more.excess > 1);
  CHECK(found.fewer.excess == 0);
}

TEST_CASE("a site is not said to say more because the others fell silent") {
  std::vector<LogCount> counts;
  say(counts, 0, 300, 10);
  say(counts, 1, 20, 20);
  const LogChanges found = log_changes(counts, rows());
  CHECK(found.fewer.site == 0);
  CHECK(found.fewer.excess > 1);
  CHECK(found.more.excess == 0);
}

TEST_CASE("more lines began in the row that has them, not in the one before") {
  std::vector<LogCount> counts;
  say(counts, 0, 100, 100);
  counts.push_back({23, 1, 80});
  CHECK(log_changes(counts, rows()).more.time == 23);
}

TEST_CASE("what a component logged in calm times is measured as what it logs now") {
  std::vector<LogCount> counts;
  say(counts, 0, 100, 100);
  counts.push_back({4, 1, 80});
  counts.push_back({23, 1, 80});
  LogRows looked = rows();
  looked.calm = {{0, 6}, {6, 12}, {30, 40}};
  const LogChanges found = log_changes(counts, looked);
  REQUIRE(found.calm_more.size() == 3);
  CHECK(found.calm_more[0] == found.more.excess);
  CHECK(found.calm_more[1] == 0);
  CHECK(found.calm_more[2] == 0);
  CHECK(found.calm_fewer[0] == 0);
}
