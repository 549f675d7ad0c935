// SPDX-License-Identifier: Apache-2.0
#include "detectors/panes.h"

#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::detectors;
using namespace std::chrono_literals;

namespace {

const Time start{std::chrono::hours(24 * 365 * 50)};  // On a full hour.

FrameLayout one_subject() {
  FrameLayout layout;
  layout.add(3);
  return layout;
}

void count(Panes& panes, Time at, std::uint32_t rows = 1) {
  panes.advance(at, {});
  panes.open().counts[1] += rows;
  panes.open().rows += rows;
}

}  // namespace

TEST_CASE("five minutes are the sum of ten-second panes") {
  Panes panes(one_subject());
  count(panes, start, 3);
  count(panes, start + 10s, 4);
  count(panes, start + 20s, 5);
  panes.advance(start + 35s, {});
  CHECK(panes.rows(Window::five_minutes) == 12);
  CHECK(panes.sum(Window::five_minutes, 0).counts == std::vector<std::uint64_t>{0, 12, 0});
}

TEST_CASE("what is older than the window is no longer in it, and still in the longer ones") {
  Panes panes(one_subject());
  count(panes, start, 7);
  panes.advance(start + 4min + 59s, {});
  CHECK(panes.rows(Window::five_minutes) == 7);
  panes.advance(start + 5min, {});
  CHECK(panes.rows(Window::five_minutes) == 0);
  CHECK(panes.rows(Window::hour) == 7);
  panes.advance(start + 59min + 59s, {});
  CHECK(panes.rows(Window::hour) == 7);
  panes.advance(start + 60min, {});
  CHECK(panes.rows(Window::hour) == 0);
  CHECK(panes.rows(Window::day) == 7);
  panes.advance(start + 23h + 59min, {});
  CHECK(panes.rows(Window::day) == 7);
  panes.advance(start + 24h, {});
  CHECK(panes.rows(Window::day) == 0);
}

TEST_CASE("steady traffic keeps every window at its full count, less the open pane") {
  Panes panes(one_subject());
  for (Duration t = 0s; t < 26h; t += 1s) count(panes, start + t);
  CHECK(panes.rows(Window::five_minutes) == 300);
  CHECK(panes.rows(Window::hour) == 3600);
  CHECK(panes.rows(Window::day) == 24 * 3600);
}

TEST_CASE("each five-minute pane with rows is told once, with its end") {
  Panes panes(one_subject());
  std::vector<std::pair<std::uint64_t, Time>> told;
  const auto on_pane = [&](const Frame& pane, Time end) { told.emplace_back(pane.rows, end); };
  for (const Duration t : {0s, 299s, 301s, 1000s, 1001s}) {
    panes.advance(start + t, on_pane);
    ++panes.open().rows;
  }
  panes.advance(start + 1h, on_pane);
  panes.advance(start + 2h, on_pane);
  REQUIRE(told.size() == 3);
  CHECK(told[0] == std::pair<std::uint64_t, Time>{2, start + 5min});
  CHECK(told[1] == std::pair<std::uint64_t, Time>{1, start + 10min});
  CHECK(told[2] == std::pair<std::uint64_t, Time>{2, start + 20min});
}

TEST_CASE("a late time counts in the open pane, and a broken clock breaks nothing") {
  Panes panes(one_subject());
  count(panes, start, 1);
  count(panes, start - 1h, 1);
  CHECK(panes.rows(Window::five_minutes) == 2);
  count(panes, Time{} - 1h, 1);
  count(panes, Time::max(), 1);
  CHECK(panes.rows(Window::five_minutes) == 1);
}

TEST_CASE("a count that would pass 32 bits stays at the largest") {
  const FrameLayout layout = one_subject();
  Frame frame(layout), more(layout);
  frame.counts[0] = 4'000'000'000U;
  more.counts[0] = 400'000'000U;
  frame.add(more);
  CHECK(frame.counts[0] == 4'294'967'295U);
}

TEST_CASE("a state of other features is refused, and the panes stay as they were") {
  FrameLayout other;
  other.add(4);
  Panes panes(one_subject());
  count(panes, start, 2);
  const auto refused = panes.restore(Panes(other).serialise());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "snapshot_foreign");
  CHECK(panes.rows(Window::five_minutes) == 2);
}

TEST_CASE(
    "each hour that closes with rows is handed out whole, the hours before it can be looked up") {
  Panes panes(one_subject());
  std::vector<std::pair<std::uint64_t, Time>> hours;
  const Panes::OnPane on_hour = [&](const Frame& frame, Time end) {
    hours.emplace_back(frame.rows, end);
    if (hours.size() == 2) {
      REQUIRE(panes.hour(end - 2h));
      CHECK(panes.hour(end - 2h)->rows == 12);
      CHECK_FALSE(panes.hour(end - 3h));
    }
  };
  for (int i = 0; i < 24; ++i) {
    panes.advance(start + i * 5min, {}, on_hour);
    panes.open().rows += 1;
  }
  panes.advance(start + 5h, {}, on_hour);  // Nothing came in between.
  REQUIRE(hours.size() == 2);
  CHECK(hours[0] == std::pair<std::uint64_t, Time>{12, start + 1h});
  CHECK(hours[1] == std::pair<std::uint64_t, Time>{12, start + 2h});
}
