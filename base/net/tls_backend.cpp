// SPDX-License-Identifier: Apache-2.0
#include "base/net/tls_backend.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace outrider::net {

// Bound before it connects: who it is must be known by the time the server accepts it.
bool TlsBackend::open(TlsPeer peer) {
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket_ < 0) return false;
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(socket_, generic, size) != 0 || ::getsockname(socket_, generic, &size) != 0)
    return false;
  source_port_ = ntohs(address.sin_port);
  peers_.add(source_port_, std::move(peer));
  address.sin_port = htons(port_);
  return ::connect(socket_, generic, sizeof address) == 0 || errno == EINPROGRESS;
}

void TlsBackend::close(bool is_cut_off) {
  if (socket_ < 0) return;
  if (is_cut_off) {
    const linger none{1, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  }
  if (source_port_ != 0) peers_.remove(source_port_);
  ::close(socket_);
  socket_ = -1;
}

void TlsBackend::send(bool& moved) {
  if (socket_ < 0 || send_some(socket_, unsent_, moved)) return;
  unsent_.clear();
  request_ended_ = true;
}

void TlsBackend::shut_down_when_sent() {
  if (socket_ < 0 || !request_ended_ || !unsent_.empty()) return;
  if (!std::exchange(is_shut_down_, true)) ::shutdown(socket_, SHUT_WR);
}

Read TlsBackend::receive(std::span<char> room, std::size_t& got) const {
  return receive_into(socket_, room, got);
}

}  // namespace outrider::net
