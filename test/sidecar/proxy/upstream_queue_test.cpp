// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/upstream_queue.h"

#include <string>
#include <vector>

#include "sidecar/proxy/read_buffer.h"
#include "test/support/catch.h"

namespace outrider::proxy {
namespace {

struct Waiter final : UpstreamWaiter {
  Waiter(char n, std::string& s) : name(n), served(s) {}
  void on_upstream_room() override {
    served += name;
    if (queues_again != nullptr) queues_again->append(entry);
  }
  const char name;
  std::string& served;
  UpstreamQueue* queues_again = nullptr;
  UpstreamQueue::Entry entry{*this};
};

TEST_CASE(
    "who waits for an upstream connection is served in the order of coming, while there is room") {
  tap::Counter depth;
  UpstreamQueue queue(8, depth);
  std::string served;
  Waiter a('a', served), b('b', served), c('c', served);
  for (Waiter* waiter : {&a, &b, &c}) queue.append(waiter->entry);
  int room = 2;
  queue.serve([&room] { return room-- > 0; });
  CHECK(served == "ab");
  CHECK(depth.get() == 1);
  queue.serve([] { return true; });
  CHECK(served == "abc");
  CHECK(queue.empty());
  CHECK(depth.get() == 0);
}

TEST_CASE("a queue is full at its limit, and has room again when one leaves it") {
  tap::Counter depth;
  UpstreamQueue queue(2, depth);
  std::string served;
  Waiter a('a', served), b('b', served);
  queue.append(a.entry);
  CHECK_FALSE(queue.is_full());
  queue.append(b.entry);
  CHECK(queue.is_full());
  for (int i = 0; i < 2; ++i) queue.remove(a.entry);  // The second time it is no longer in it.
  CHECK_FALSE(queue.is_full());
  CHECK(depth.get() == 1);
  queue.serve([] { return true; });
  CHECK(served == "b");
  CHECK_FALSE(UpstreamQueue(1, depth).is_full());
  CHECK(UpstreamQueue(0, depth).is_full());
}

TEST_CASE("who finds no connection although there was room waits again, behind the others") {
  tap::Counter depth;
  UpstreamQueue queue(8, depth);
  std::string served;
  Waiter a('a', served), b('b', served);
  queue.append(a.entry);
  queue.append(b.entry);
  a.queues_again = &queue;
  int room = 3;
  queue.serve([&room] { return room-- > 0; });
  CHECK(served == "aba");
  CHECK(depth.get() == 1);
}

TEST_CASE("the more bytes are held for slow peers, the less one read may bring") {
  std::size_t held = 0;
  ReadBuffer buffer(1 << 20, held);
  CHECK(buffer.room().size() == ReadBuffer::large);
  held = 1 << 18;
  CHECK(buffer.room().size() == ReadBuffer::small);
  held = (1 << 20) - 1;
  CHECK(buffer.room().size() == ReadBuffer::small);
  held = 1 << 20;
  CHECK(buffer.room().size() == ReadBuffer::least);
}

}  // namespace
}  // namespace outrider::proxy
