// SPDX-License-Identifier: Apache-2.0
#include "base/net/tls_backend.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "test/support/catch.h"

namespace outrider::net {
namespace {

struct Socket {
  explicit Socket(int number) : descriptor(number) { REQUIRE(descriptor >= 0); }
  ~Socket() { ::close(descriptor); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  const int descriptor;
};

// The server's side, with sockets that block.
class Server {
 public:
  Server() : listening_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(::bind(listening_.descriptor, generic, size) == 0);
    REQUIRE(::listen(listening_.descriptor, 1) == 0);
    REQUIRE(::getsockname(listening_.descriptor, generic, &size) == 0);
    port = ntohs(address.sin_port);
  }
  // Accepts a connection; `source_port` is the other end's.
  int accept(std::uint16_t& source_port) const {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    const int socket =
        ::accept(listening_.descriptor, reinterpret_cast<sockaddr*>(&address), &size);
    source_port = ntohs(address.sin_port);
    return socket;
  }

  std::uint16_t port = 0;

 private:
  const Socket listening_;
};

// All that comes until the other side ends; the error number where it resets the connection.
std::string all_of(int socket, int& error) {
  std::string all;
  char room[64];
  while (true) {
    const ssize_t n = ::recv(socket, room, sizeof room, 0);
    error = n < 0 ? errno : 0;
    if (n <= 0) return all;
    all.append(room, static_cast<std::size_t>(n));
  }
}

TEST_CASE("a TLS backend sends what came before it was open, then the request's end") {
  const Server server;
  TlsPeers peers;
  TlsBackend backend(peers, server.port);
  backend.add("GET / ");
  CHECK_FALSE(backend.is_open());
  CHECK_FALSE(backend.takes_more());  // Until the server has taken this.
  bool moved = false;
  backend.send(moved);
  CHECK_FALSE(moved);

  REQUIRE(backend.open({"10.0.0.7", {"web.shop"}}));
  std::uint16_t source_port = 0;
  const Socket accepted(server.accept(source_port));
  const auto listed = peers.find(source_port);
  REQUIRE(listed);
  CHECK(listed->address == "10.0.0.7");
  CHECK(listed->names == std::vector<std::string>{"web.shop"});
  backend.add("HTTP/1.1\r\n");
  backend.end_request();
  backend.shut_down_when_sent();  // Too early: there are bytes left.
  backend.send(moved);
  CHECK(moved);
  CHECK_FALSE(backend.has_unsent());
  CHECK_FALSE(backend.takes_more());  // The request has ended.
  backend.shut_down_when_sent();

  int error = 0;
  CHECK(all_of(accepted.descriptor, error) == "GET / HTTP/1.1\r\n");
  CHECK(error == 0);
  backend.close(false);
  CHECK(backend.was_opened());
  CHECK_FALSE(backend.is_open());
  CHECK_FALSE(peers.find(source_port));
}

TEST_CASE("a TLS backend that is cut off resets its connection, so that no half a request counts") {
  const Server server;
  TlsPeers peers;
  TlsBackend backend(peers, server.port);
  REQUIRE(backend.open({"10.0.0.7", {"web.shop"}}));
  std::uint16_t source_port = 0;
  const Socket accepted(server.accept(source_port));
  backend.close(true);
  int error = 0;
  CHECK(all_of(accepted.descriptor, error).empty());
  CHECK(error == ECONNRESET);
  CHECK_FALSE(peers.find(source_port));
}

TEST_CASE("a TLS backend whose server has closed drops the rest of the request") {
  const Server server;
  TlsPeers peers;
  TlsBackend backend(peers, server.port);
  REQUIRE(backend.open({"10.0.0.7", {"web.shop"}}));
  std::uint16_t source_port = 0;
  {
    const Socket accepted(server.accept(source_port));
    const linger none{1, 0};
    ::setsockopt(accepted.descriptor, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  }
  pollfd reset{backend.socket(), POLLIN, 0};
  REQUIRE(::poll(&reset, 1, 10'000) == 1);
  backend.add("GET / HTTP/1.1\r\n");
  bool moved = false;
  backend.send(moved);
  CHECK_FALSE(moved);
  CHECK_FALSE(backend.has_unsent());
  CHECK_FALSE(backend.takes_more());
}

}  // namespace
}  // namespace outrider::net
