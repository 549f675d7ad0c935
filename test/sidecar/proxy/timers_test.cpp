// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/timers.h"

#include <random>
#include <vector>

#include "test/support/catch.h"

namespace outrider::proxy {
namespace {

using std::chrono::milliseconds;
const Monotonic start = Monotonic{} + std::chrono::hours(1000);

struct Numbered : TimerEntry {
  int number = 0;
};

std::vector<int> due_at(TimerWheel& wheel, Monotonic now) {
  std::vector<int> due;
  wheel.advance(now, [&due](TimerEntry& e) { due.push_back(static_cast<Numbered&>(e).number); });
  return due;
}

TEST_CASE("a deadline comes due once, never early, and at most two ticks late") {
  TimerWheel wheel(start);
  std::mt19937 random(1);
  std::vector<Numbered> entries(500);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    entries[i].number = static_cast<int>(i);
    wheel.schedule(entries[i], start + milliseconds(random() % 60'000));
  }
  std::vector<int> times_due(entries.size());
  for (Monotonic now = start; now < start + milliseconds(61'000); now += milliseconds(5)) {
    for (const int i : due_at(wheel, now)) {
      ++times_due[static_cast<std::size_t>(i)];
      const Monotonic deadline = entries[static_cast<std::size_t>(i)].deadline();
      REQUIRE(now >= deadline);
      REQUIRE(now - deadline <= 2 * TimerWheel::tick);
    }
  }
  for (const int times : times_due) REQUIRE(times == 1);
}

TEST_CASE("moving a deadline later or sooner is obeyed") {
  TimerWheel wheel(start);
  Numbered entry;
  wheel.schedule(entry, start + milliseconds(100));
  wheel.schedule(entry, start + milliseconds(5000));
  CHECK(due_at(wheel, start + milliseconds(4900)).empty());
  wheel.schedule(entry, start + milliseconds(4950));
  CHECK(due_at(wheel, start + milliseconds(5000)).size() == 1);
  CHECK_FALSE(entry.is_scheduled());
}

TEST_CASE("an entry that was cancelled or has gone away never comes due") {
  TimerWheel wheel(start);
  Numbered cancelled;
  wheel.schedule(cancelled, start + milliseconds(50));
  {
    Numbered gone;
    wheel.schedule(gone, start + milliseconds(50));
  }
  wheel.cancel(cancelled);
  CHECK(due_at(wheel, start + milliseconds(200)).empty());
}

TEST_CASE("what comes due may schedule itself and cancel others") {
  TimerWheel wheel(start);
  Numbered first, second;
  wheel.schedule(first, start + milliseconds(50));
  wheel.schedule(second, start + milliseconds(51));
  int calls = 0;
  wheel.advance(start + milliseconds(200), [&](TimerEntry& due) {
    ++calls;
    wheel.cancel(&due == &first ? second : first);
    wheel.schedule(due, start + milliseconds(300));
  });
  CHECK(calls == 1);
  CHECK(due_at(wheel, start + milliseconds(400)).size() == 1);
}

TEST_CASE("a clock that jumps over many turns of the wheel finds everything due") {
  TimerWheel wheel(start);
  std::vector<Numbered> entries(1000);
  for (std::size_t i = 0; i < entries.size(); ++i)
    wheel.schedule(entries[i], start + milliseconds(static_cast<int>(i) * 100));
  CHECK(due_at(wheel, start + std::chrono::hours(1)).size() == 1000);
}

}  // namespace
}  // namespace outrider::proxy
