// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/patience.h"

#include "test/support/catch.h"

namespace outrider::proxy {
namespace {

using std::chrono::seconds;

TEST_CASE("a peer that stalls is waited for as long as the limit says") {
  for (const std::int64_t rate : {0, 100}) {
    Patience patience(seconds(30), rate);
    CHECK(patience.left() == seconds(30));
    patience.note(seconds(29), 0);
    CHECK(patience.left() == seconds(1));
    patience.note(seconds(2), 0);
    CHECK(patience.left() == Duration::zero());
  }
}

TEST_CASE("without a rate any byte restores the patience") {
  Patience patience(seconds(30), 0);
  for (int i = 0; i < 100; ++i) patience.note(seconds(29), 1);
  CHECK(patience.left() == seconds(30));
}

TEST_CASE("a peer that drips slower than the rate is waited for less each time") {
  Patience patience(seconds(30), 100);
  patience.note(seconds(20), 1);
  CHECK(patience.left() == seconds(10) + std::chrono::milliseconds(10));
  patience.note(seconds(10), 1);
  CHECK(patience.left() == std::chrono::milliseconds(20));
}

TEST_CASE("a peer that keeps the rate is waited for without end, in bursts too") {
  Patience patience(seconds(30), 100);
  for (int i = 0; i < 1000; ++i) patience.note(seconds(20), 2000);
  CHECK(patience.left() == seconds(30));
}

TEST_CASE("a burst pays for a pause no longer than the limit, however large it is") {
  Patience patience(seconds(30), 1);
  patience.note(seconds(0), std::uint64_t{1} << 62);
  CHECK(patience.left() == seconds(30));
  Patience dear(std::chrono::hours(24), 1'000'000'000);
  dear.note(seconds(86'000), std::uint64_t{1} << 62);
  CHECK(dear.left() == std::chrono::hours(24));
}

}  // namespace
}  // namespace outrider::proxy
