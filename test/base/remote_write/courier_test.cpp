// SPDX-License-Identifier: Apache-2.0
// The courier against a receiver on this machine that answers as it is told.
#include "base/remote_write/courier.h"

#include <condition_variable>
#include <deque>
#include <mutex>

#include "base/net/http_server.h"
#include "test/support/catch.h"
#include "test/support/temporary_folder.h"

using namespace outrider;
using namespace outrider::remote_write;
using namespace std::chrono_literals;

namespace {

constexpr auto patience = 20s;

struct Receiver {
  explicit Receiver(std::uint16_t port = 0) {
    net::Router router;
    router.add("POST", "/take", [this](const net::HttpRequest& request) {
      const std::lock_guard hold(mutex);
      bodies.push_back(request.body);
      came.notify_all();
      if (answers.empty()) return net::text_response(200, "");
      net::HttpResponse answer = answers.front();
      answers.pop_front();
      return answer;
    });
    server = std::make_unique<net::HttpServer>(
        net::HttpServer::Settings{.listen_address = "127.0.0.1:" + std::to_string(port)},
        std::move(router));
  }
  std::vector<std::string> wait_for(std::size_t count) {
    std::unique_lock hold(mutex);
    if (!came.wait_for(hold, patience, [&] { return bodies.size() >= count; })) {
      FAIL("only " << bodies.size() << " of " << count << " bodies came");
    }
    return bodies;
  }

  std::mutex mutex;
  std::condition_variable came;
  std::vector<std::string> bodies;
  std::deque<net::HttpResponse> answers;
  std::unique_ptr<net::HttpServer> server;
};

Courier::Settings settings(const TemporaryFolder& folder, std::uint16_t port) {
  Courier::Settings made;
  made.name = "test";
  made.url = "http://127.0.0.1:" + std::to_string(port) + "/take";
  made.queue.folder = folder.path() / "queue";
  return made;
}

const SystemClock system_clock_of_tests;

}  // namespace

TEST_CASE("bodies come once each and in their order, with what is put behind them") {
  const TemporaryFolder folder;
  Receiver receiver;
  auto made = settings(folder, receiver.server->port());
  made.trailer = [] { return std::string("!"); };
  Courier courier(made, system_clock_of_tests);
  for (const char* body : {"a", "b", "c"}) CHECK(courier.append(body, 2));
  CHECK(courier.stop(patience));
  CHECK(receiver.bodies == std::vector<std::string>{"a!", "b!", "c!"});
  CHECK(courier.figures().sent == 6);
  CHECK(courier.figures().up);
}

TEST_CASE("what a receiver will never take is given up and counted by reason, the rest goes on") {
  const TemporaryFolder folder;
  Receiver receiver;
  for (const int status : {400, 413, 415, 422}) {
    receiver.answers.push_back(net::text_response(status, "no"));
  }
  Courier courier(settings(folder, receiver.server->port()), system_clock_of_tests);
  for (const char* body : {"a", "b", "c", "d", "e"}) courier.append(body, 3);
  CHECK(courier.stop(patience));
  const auto figures = courier.figures();
  CHECK(figures.refused == std::map<std::string, std::uint64_t>{
                               {"http_400", 3}, {"http_413", 3}, {"http_415", 3}, {"http_422", 3}});
  CHECK(figures.sent == 3);
}

TEST_CASE("a wrong token, a missing route and a busy receiver lose nothing") {
  const TemporaryFolder folder;
  Receiver receiver;
  for (const int status : {401, 403, 404, 429, 500, 503}) {
    receiver.answers.push_back(net::text_response(status, "not now"));
  }
  Courier courier(settings(folder, receiver.server->port()), system_clock_of_tests);
  courier.append("a", 1);
  CHECK(receiver.wait_for(7) == std::vector<std::string>(7, "a"));
  CHECK(courier.stop(patience));
  CHECK(courier.figures().sent == 1);
  CHECK(courier.figures().failed == 6);
  CHECK(courier.figures().refused.empty());
}

TEST_CASE("Retry-After is waited for") {
  const TemporaryFolder folder;
  Receiver receiver;
  net::HttpResponse busy = net::text_response(503, "busy");
  busy.headers.push_back({"Retry-After", "1"});
  receiver.answers.push_back(busy);
  Courier courier(settings(folder, receiver.server->port()), system_clock_of_tests);
  const auto began = std::chrono::steady_clock::now();
  courier.append("a", 1);
  receiver.wait_for(2);
  CHECK(std::chrono::steady_clock::now() - began >= 1s);
}

TEST_CASE("what was not delivered waits on disk for the next courier") {
  const TemporaryFolder folder;
  std::uint16_t port = 0;
  {
    Receiver receiver;
    port = receiver.server->port();
  }
  {
    Courier courier(settings(folder, port), system_clock_of_tests);
    courier.append("a", 1);
    courier.append("b", 1);
    CHECK_FALSE(courier.stop(50ms));
  }
  Receiver receiver(port);
  Courier courier(settings(folder, port), system_clock_of_tests);
  CHECK(receiver.wait_for(2) == std::vector<std::string>{"a", "b"});
}

TEST_CASE("an idle courier says that it is there, and never before what waits") {
  const TemporaryFolder folder;
  Receiver receiver;
  auto made = settings(folder, receiver.server->port());
  made.idle_every = 10ms;
  made.idle_body = [] { return std::string("idle"); };
  Courier courier(made, system_clock_of_tests);
  CHECK(receiver.wait_for(1)[0] == "idle");
  courier.append("a", 1);
  CHECK(courier.stop(patience));
  CHECK(std::count(receiver.bodies.begin(), receiver.bodies.end(), "a") == 1);
}
