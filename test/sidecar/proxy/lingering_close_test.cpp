// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/lingering_close.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <string>

#include "test/support/catch.h"

namespace outrider::proxy {
namespace {

using Step = LingeringClose::Step;

// A channel and its peer's end, over sockets that do not block.
struct Connection {
  Connection() {
    std::array<int, 2> sockets{-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets.data()) == 0);
    channel.socket = Descriptor(sockets[0]);
    peer = Descriptor(sockets[1]);
    channel.writable = true;
  }
  void peer_sends(const std::string& bytes) {
    REQUIRE(::send(peer.get(), bytes.data(), bytes.size(), 0) ==
            static_cast<ssize_t>(bytes.size()));
    channel.note(EPOLLIN);
  }
  // "…" of what the peer can read now; "end" behind it where our end has come.
  std::string peer_reads() const {
    std::string all;
    std::array<char, 4096> room;
    while (true) {
      const ssize_t n = ::recv(peer.get(), room.data(), room.size(), 0);
      if (n == 0) return all + "end";
      if (n < 0) return all;
      all.append(room.data(), static_cast<std::size_t>(n));
    }
  }
  Step advance() { return closing.advance(channel, buffer); }

  std::size_t held = 0;
  ReadBuffer buffer{1 << 20, held};
  Channel channel{held};
  Descriptor peer;
  LingeringClose closing;
};

TEST_CASE("a lingering close sends its end, then discards input until the peer's end") {
  Connection c;
  c.peer_sends("the rest of a body");
  c.closing.begin(c.channel);
  CHECK(c.peer_reads().empty());
  CHECK(c.advance() == Step::sent_end);
  CHECK(c.peer_reads() == "end");
  CHECK(c.advance() == Step::moved);
  c.channel.note(EPOLLIN);
  CHECK(c.advance() == Step::moved);  // It looked, and there was nothing.
  CHECK(c.advance() == Step::waits);
  c.peer.reset();
  c.channel.note(EPOLLIN | EPOLLRDHUP);
  CHECK(c.advance() == Step::over);
}

TEST_CASE("a lingering close sends what is unsent before its end") {
  Connection c;
  c.channel.writable = false;
  REQUIRE(c.channel.write("HTTP/1.1 400 Bad Request\r\n\r\n"));
  c.closing.begin(c.channel);
  CHECK(c.advance() == Step::waits);
  c.channel.note(EPOLLOUT);
  CHECK(c.advance() == Step::sent_end);
  CHECK(c.peer_reads() == "HTTP/1.1 400 Bad Request\r\n\r\nend");
}

TEST_CASE("a lingering close is over when its peer goes on sending without an end") {
  Connection c;
  c.closing.begin(c.channel);
  REQUIRE(c.advance() == Step::sent_end);
  const std::string piece(32 << 10, 'x');
  int pieces = 0;
  for (Step step = Step::moved; step == Step::moved && pieces < 100; ++pieces) {
    c.peer_sends(piece);
    step = c.advance();
    CHECK((step == Step::moved || step == Step::over));
  }
  CHECK(pieces == 9);  // 256 KiB, and the piece that is beyond.
}

TEST_CASE("a lingering close drops what was read before, and is over when nothing can be sent") {
  Connection c;
  c.channel.in.append("unused");
  c.channel.unseen = true;
  c.closing.begin(c.channel);
  CHECK(c.channel.in.empty());
  CHECK_FALSE(c.channel.unseen);
  c.channel.writable = false;
  REQUIRE(c.channel.write("an answer"));
  c.peer.reset();
  c.channel.note(EPOLLOUT);
  CHECK(c.advance() == Step::over);
}

}  // namespace
}  // namespace outrider::proxy
