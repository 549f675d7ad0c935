// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/transport.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace outrider::proxy {
namespace {

constexpr std::size_t flat_bytes_max = 4096;

bool would_block() {
  return errno == EAGAIN || errno == EWOULDBLOCK;
}

// A small message is copied into one piece, which costs less than the kernel's walk over its
// pieces.
ssize_t send_all(int socket, std::span<iovec> vectors, std::size_t total) {
  if (total <= flat_bytes_max) {
    char flat[flat_bytes_max];
    char* end = flat;
    for (const iovec& piece : vectors) {
      std::memcpy(end, piece.iov_base, piece.iov_len);
      end += piece.iov_len;
    }
    return ::send(socket, flat, total, MSG_NOSIGNAL);
  }
  msghdr message{};
  message.msg_iov = vectors.data();
  message.msg_iovlen = vectors.size();
  return ::sendmsg(socket, &message, MSG_NOSIGNAL);
}

class PlainTransport final : public Transport {
 public:
  Transfer read(int socket, std::span<char> into) override {
    ssize_t n;
    do {
      n = ::recv(socket, into.data(), into.size(), 0);
    } while (n < 0 && errno == EINTR);
    if (n == 0) return {.state = Transfer::State::ended};
    if (n < 0) return {.state = would_block() ? Transfer::State::blocked : Transfer::State::broken};
    const auto got = static_cast<std::size_t>(n);
    // A short read means that the socket is empty.
    return {.state = Transfer::State::moved, .may_have_more = got == into.size(), .bytes = got};
  }

  Transfer write(int socket, std::span<iovec> pieces, std::size_t total) override {
    ssize_t n;
    do {
      n = send_all(socket, pieces, total);
    } while (n < 0 && errno == EINTR);
    if (n < 0) return {.state = would_block() ? Transfer::State::blocked : Transfer::State::broken};
    return {.state = Transfer::State::moved, .bytes = static_cast<std::size_t>(n)};
  }

  void shut_down(int socket) override { ::shutdown(socket, SHUT_WR); }
};

}  // namespace

Transport& plain_transport() {
  static PlainTransport transport;
  return transport;
}

}  // namespace outrider::proxy
