// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/channel.h"

#include <sys/epoll.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>

namespace outrider::proxy {
namespace {

constexpr std::size_t pieces_per_write_max = 192;  // Pieces::capacity, body and held bytes fit.

}  // namespace

void forget(int epoll, Descriptor& socket) {
  if (!socket.is_open()) return;
  ::epoll_ctl(epoll, EPOLL_CTL_DEL, socket.get(), nullptr);
  socket.reset();
}

void Channel::note(std::uint32_t events) {
  if ((events & EPOLLOUT) != 0) writable = true;
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) readable = true;
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) hung_up = true;
}

std::string_view Channel::read(std::span<char> into) {
  for (;;) {
    const ssize_t n = ::recv(socket.get(), into.data(), into.size(), 0);
    if (n > 0) {
      const auto got = static_cast<std::size_t>(n);
      // A short read means that the socket is empty, and epoll will tell of the next byte; only the
      // end, which was told together with these bytes, is not told again.
      if (got < into.size() && !hung_up) readable = false;
      return {into.data(), got};
    }
    if (n == 0) {
      readable = false;
      ended = true;
      return {};
    }
    if (errno == EINTR) continue;
    readable = false;
    if (errno != EAGAIN && errno != EWOULDBLOCK) broken = ended = true;
    return {};
  }
}

bool Channel::flush() {
  if (out.empty()) return !write_failed;
  return write(std::span<const std::string_view>());
}

bool Channel::write(std::span<const std::string_view> pieces) {
  if (write_failed) return false;
  std::array<iovec, pieces_per_write_max> vectors;
  std::size_t count = 0, total = out.size();
  if (!out.empty()) vectors[count++] = {const_cast<char*>(out.view().data()), out.size()};
  for (const std::string_view piece : pieces) {
    if (piece.empty()) continue;
    vectors[count++] = {const_cast<char*>(piece.data()), piece.size()};
    total += piece.size();
  }
  if (total == 0) return true;
  std::size_t sent = 0;
  if (writable) {
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = count;
    ssize_t n;
    do {
      n = ::sendmsg(socket.get(), &message, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
      write_failed = true;
      out.clear();
      return false;
    }
    sent = n < 0 ? 0 : static_cast<std::size_t>(n);
    if (sent < total) writable = false;
  }
  if (sent == total) {
    out.clear();
    return true;
  }
  const std::size_t held = out.size();
  const std::size_t from_held = sent < held ? sent : held;
  out.consume(from_held);
  sent -= from_held;
  for (const std::string_view piece : pieces) {
    const std::size_t skip = sent < piece.size() ? sent : piece.size();
    sent -= skip;
    out.append(piece.substr(skip));
  }
  return true;
}

}  // namespace outrider::proxy
