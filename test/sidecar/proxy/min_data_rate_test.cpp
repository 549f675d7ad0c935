// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/min_data_rate.h"

#include "test/support/catch.h"

namespace outrider::proxy {
namespace {

using std::chrono::seconds;

struct Credit {
  Credit(Duration limit, std::int64_t rate) : rule{limit, rate}, left(limit) {}
  void note(Duration waited, std::uint64_t bytes) { left = rule.after(left, waited, bytes); }

  const MinDataRate rule;
  Duration left;
};

TEST_CASE("a peer that stalls is waited for as long as the limit says") {
  for (const std::int64_t rate : {0, 100}) {
    Credit credit(seconds(30), rate);
    CHECK(credit.left == seconds(30));
    credit.note(seconds(29), 0);
    CHECK(credit.left == seconds(1));
    credit.note(seconds(2), 0);
    CHECK(credit.left == Duration::zero());
  }
}

TEST_CASE("without a rate any byte restores the patience") {
  Credit credit(seconds(30), 0);
  for (int i = 0; i < 100; ++i) credit.note(seconds(29), 1);
  CHECK(credit.left == seconds(30));
}

TEST_CASE("a peer that drips slower than the rate is waited for less each time") {
  Credit credit(seconds(30), 100);
  credit.note(seconds(20), 1);
  CHECK(credit.left == seconds(10) + std::chrono::milliseconds(10));
  credit.note(seconds(10), 1);
  CHECK(credit.left == std::chrono::milliseconds(20));
}

TEST_CASE("a peer that keeps the rate is waited for without end, in bursts too") {
  Credit credit(seconds(30), 100);
  for (int i = 0; i < 1000; ++i) credit.note(seconds(20), 2000);
  CHECK(credit.left == seconds(30));
}

TEST_CASE("a burst pays for a pause no longer than the limit, however large it is") {
  Credit credit(seconds(30), 1);
  credit.note(seconds(0), std::uint64_t{1} << 62);
  CHECK(credit.left == seconds(30));
  Credit dear(std::chrono::hours(24), 1'000'000'000);
  dear.note(seconds(86'000), std::uint64_t{1} << 62);
  CHECK(dear.left == std::chrono::hours(24));
}

}  // namespace
}  // namespace outrider::proxy
