// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/channel.h"

#include <sys/epoll.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace outrider::proxy {
namespace {

constexpr std::size_t pieces_per_write_max = 192;  // Pieces::capacity, body and held bytes fit.
constexpr std::size_t flat_bytes_max = 4096;

constexpr std::size_t held_read_bytes = 4096;  // A message that drips in is read in such pieces.

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

Input Channel::take(ReadBuffer& buffer) {
  if (unseen) {
    unseen = false;
    return {in.view(), true};
  }
  if (!readable) return {};
  if (in.empty()) return {read(buffer.room()), false};
  const std::string_view more = read(in.reserve(held_read_bytes));
  if (more.empty()) return {};
  in.commit(more.size());
  return {in.view(), true};
}

void Channel::keep(const Input& input, std::size_t used) {
  if (input.is_held) {
    in.consume(used);
  } else {
    in.append(input.bytes.substr(used));
  }
  unseen = !in.empty();
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
    ssize_t n;
    do {
      n = send_all(socket.get(), std::span(vectors.data(), count), total);
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
