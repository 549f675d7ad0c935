// SPDX-License-Identifier: Apache-2.0
#include <sys/epoll.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "test/support/catch.h"

#include "sidecar/proxy/upstream_pool.h"

namespace outrider::proxy {
namespace {

using std::chrono::milliseconds;

struct User final : UpstreamUser {
  void on_upstream_events() override { ++events; }
  int events = 0;
};

// A pool before a listening socket of this test; events are handed out when the test says so.
struct Pooled {
  explicit Pooled(std::size_t connections_max = 8, std::size_t idle_max = 4, std::string url = "")
      : listening(std::move(*listen_on("127.0.0.1:0", 0))),
        upstream(url.empty() ? "http://127.0.0.1:" + std::to_string(bound_port(listening)) : url,
                 std::chrono::seconds(30), processes),
        epoll(::epoll_create1(0)),
        pool({connections_max, idle_max, milliseconds(4000)}, upstream, epoll.get(), counters,
             held) {}

  UpstreamConnection* acquire(bool fresh = false) {
    return pool.acquire(user, now, fresh ? UpstreamPool::Wanted::fresh : UpstreamPool::Wanted::any,
                        refusal);
  }
  // The upstream's end of the connection that was made last.
  Descriptor accept() {
    for (;;)
      if (const int peer = ::accept(listening.get(), nullptr, nullptr); peer >= 0)
        return Descriptor(peer);
  }
  void hand_out_events() {
    epoll_event events[16];
    const int n = ::epoll_wait(epoll.get(), events, 16, 1000);
    for (int i = 0; i < n; ++i)
      static_cast<EventTarget*>(events[i].data.ptr)->on_events(events[i].events);
    pool.reap();
  }

  Descriptor listening;
  tap::ProcessCells processes;
  Upstream upstream;
  Descriptor epoll;
  tap::ProxyCounters counters;
  std::size_t held = 0;
  UpstreamPool pool;
  User user;
  Monotonic now = Monotonic{} + std::chrono::hours(1);
  UpstreamPool::Refusal refusal{};
};

TEST_CASE("a released connection is lent again, the most recently used one first") {
  Pooled test;
  UpstreamConnection* first = test.acquire();
  UpstreamConnection* second = test.acquire();
  REQUIRE(first != nullptr);
  REQUIRE(second != nullptr);
  test.pool.release(*first, test.now);
  test.pool.release(*second, test.now);
  CHECK(test.counters.upstream_idle.get() == 2);
  CHECK(test.acquire() == second);
  CHECK(second->reused);
  CHECK(test.acquire() == first);
  CHECK(test.counters.upstream_reused.get() == 2);
  CHECK(test.counters.upstream_active.get() == 2);
  test.pool.close(*first);
  test.pool.close(*second);
}

TEST_CASE("a fresh connection is made when asked for, although another one rests") {
  Pooled test;
  UpstreamConnection* resting = test.acquire();
  test.pool.release(*resting, test.now);
  UpstreamConnection* fresh = test.acquire(true);
  CHECK(fresh != resting);
  CHECK_FALSE(fresh->reused);
  test.pool.close(*fresh);
}

TEST_CASE("past the connection limit the pool says wait, and has room again after a close") {
  Pooled test(2, 2);
  UpstreamConnection* first = test.acquire();
  UpstreamConnection* second = test.acquire();
  CHECK_FALSE(test.pool.has_room());
  CHECK(test.acquire() == nullptr);
  CHECK(test.refusal == UpstreamPool::Refusal::wait);
  test.pool.close(*first);
  CHECK(test.pool.has_room());
  UpstreamConnection* third = test.acquire();
  REQUIRE(third != nullptr);
  test.pool.close(*second);
  test.pool.close(*third);
}

TEST_CASE("past the idle limit a returned connection is closed") {
  Pooled test(8, 1);
  UpstreamConnection* first = test.acquire();
  UpstreamConnection* second = test.acquire();
  test.pool.release(*first, test.now);
  test.pool.release(*second, test.now);
  CHECK(test.counters.upstream_idle.get() == 1);
  CHECK(test.acquire() == first);
  test.pool.close(*first);
}

TEST_CASE("connections that rested too long are closed, the others stay") {
  Pooled test;
  UpstreamConnection* old = test.acquire();
  UpstreamConnection* young = test.acquire();
  test.pool.release(*old, test.now);
  test.pool.release(*young, test.now + milliseconds(3000));
  test.pool.tend(test.now + milliseconds(4500));
  CHECK(test.counters.upstream_idle.get() == 1);
  CHECK(test.acquire() == young);
  test.pool.close(*young);
}

TEST_CASE("a connection rests no longer than the upstream says that it keeps it") {
  Pooled test;
  UpstreamConnection* connection = test.acquire();
  connection->idle_timeout = milliseconds(500);
  test.pool.release(*connection, test.now);
  test.now += milliseconds(600);
  UpstreamConnection* other = test.acquire();
  CHECK(other != connection);
  CHECK_FALSE(other->reused);
  test.pool.close(*other);
}

TEST_CASE("bytes that stayed unread behind a response are not the next one's") {
  Pooled test;
  UpstreamConnection* connection = test.acquire();
  const Descriptor peer = test.accept();
  test.hand_out_events();
  REQUIRE(::write(peer.get(), "responseunasked", 15) == 15);
  test.hand_out_events();
  char room[8];
  REQUIRE(connection->channel.read(room) == "response");
  test.pool.release(*connection,
                    test.now);  // Its event has been handed out: none will tell of the rest.
  UpstreamConnection* other = test.acquire();
  CHECK_FALSE(other->reused);
  test.pool.close(*other);
}

TEST_CASE("a resting connection that spoke unasked is not lent again") {
  Pooled test;
  UpstreamConnection* connection = test.acquire();
  Descriptor peer = test.accept();
  test.hand_out_events();
  test.pool.release(*connection, test.now);
  REQUIRE(::write(peer.get(), "HTTP/1.1 200 OK", 15) == 15);
  test.now += milliseconds(50);
  UpstreamConnection* other = test.acquire();
  CHECK(other != connection);
  test.pool.close(*other);
}

TEST_CASE("of a name's addresses the next one is tried where one refuses") {
  // "localhost" may be ::1 and 127.0.0.1; this test listens on the second alone.
  Descriptor listening = std::move(*listen_on("127.0.0.1:0", 0));
  Pooled test(8, 4, "http://localhost:" + std::to_string(bound_port(listening)));
  UpstreamConnection* connection = test.acquire();
  for (std::size_t failed = 0; connection != nullptr && failed < test.pool.address_count();
       ++failed) {
    epoll_event event{};
    REQUIRE(::epoll_wait(test.epoll.get(), &event, 1, 1000) == 1);
    if (socket_error(connection->channel.socket.get()) == 0) break;
    test.pool.give_up(*connection);
    connection = test.acquire();
  }
  REQUIRE(connection != nullptr);
  CHECK(::accept(listening.get(), nullptr, nullptr) >= 0);
  CHECK(test.counters.upstream_connect_failures.get() == test.pool.address_count() - 1);
  test.pool.close(*connection);
}

TEST_CASE("a resting connection that the upstream closed is found out by its event") {
  Pooled test;
  UpstreamConnection* connection = test.acquire();
  Descriptor peer = test.accept();
  test.hand_out_events();  // Connected.
  CHECK(test.user.events == 1);
  test.pool.release(*connection, test.now);
  peer.reset();
  test.hand_out_events();
  CHECK(test.counters.upstream_idle.get() == 0);
  CHECK(test.user.events == 1);  // Nobody was using it.
}

TEST_CASE("a resting connection that closed unseen is probed before it is lent") {
  Pooled test;
  UpstreamConnection* connection = test.acquire();
  Descriptor peer = test.accept();
  test.hand_out_events();
  test.pool.release(*connection, test.now);
  peer.reset();
  test.now += milliseconds(50);

  UpstreamConnection* other = test.acquire();
  CHECK(other != connection);
  CHECK_FALSE(other->reused);
  test.pool.close(*other);
}

TEST_CASE("an upstream that cannot be connected to at once is a failure that tells why") {
  Pooled test(8, 4, "unix:/nowhere/model.sock");
  CHECK(test.acquire() == nullptr);
  CHECK(test.refusal == UpstreamPool::Refusal::failed);
  CHECK(errno == ENOENT);
  CHECK(test.counters.upstream_connect_failures.get() == 1);
}

}  // namespace
}  // namespace outrider::proxy
