// SPDX-License-Identifier: Apache-2.0
#include <thread>

#include "base/core/backoff.h"
#include "base/core/bounded_queue.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace std::chrono_literals;

TEST_CASE("a full queue refuses, and what it holds still comes out in order") {
  BoundedQueue<int> queue(2);
  CHECK(queue.try_push(1));
  CHECK(queue.try_push(2));
  CHECK_FALSE(queue.try_push(3));
  CHECK(queue.pop(0ns) == 1);
  CHECK(queue.pop(0ns) == 2);
  CHECK_FALSE(queue.pop(0ns));
}

TEST_CASE("closing a queue wakes its consumer and lets it drain") {
  BoundedQueue<int> queue(4);
  queue.try_push(7);
  int sum = 0;
  std::thread consumer([&] {
    while (auto item = queue.pop(10s)) sum += *item;
  });
  queue.close();
  consumer.join();
  CHECK(sum == 7);
  CHECK_FALSE(queue.try_push(8));
}

TEST_CASE("back-off doubles up to its limit, with jitter below, and starts anew after a success") {
  Backoff backoff({.initial = 30ms, .max = 100ms, .jitter = 0.5});
  CHECK(backoff.next(0) == 30ms);
  CHECK(backoff.next(0) == 60ms);
  CHECK(backoff.next(0) == 100ms);
  CHECK(backoff.next(1) == 50ms);
  backoff.reset();
  CHECK(backoff.next(0) == 30ms);
}
