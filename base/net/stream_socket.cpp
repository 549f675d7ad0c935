// SPDX-License-Identifier: Apache-2.0
#include "base/net/stream_socket.h"

#include <sys/socket.h>

#include <cerrno>

namespace outrider::net {
namespace {

bool would_block() {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOTCONN;
}

}  // namespace

Read receive_into(int socket, std::span<char> room, std::size_t& got) {
  ssize_t n;
  do {
    n = ::recv(socket, room.data(), room.size(), 0);
  } while (n < 0 && errno == EINTR);
  got = n > 0 ? static_cast<std::size_t>(n) : 0;
  if (n > 0) return Read::some;
  if (n == 0) return Read::ended;
  return would_block() ? Read::blocked : Read::broken;
}

bool send_some(int socket, std::string& bytes, bool& moved) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t n = ::send(socket, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && !would_block()) return false;
    if (n < 0) break;
    sent += static_cast<std::size_t>(n);
  }
  moved = moved || sent > 0;
  bytes.erase(0, sent);
  if (bytes.empty() && bytes.capacity() > read_bytes / 4) std::string().swap(bytes);
  return true;
}

}  // namespace outrider::net
