// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/channel.h"

#include <sys/epoll.h>
#include <sys/uio.h>

#include <array>
#include <utility>

namespace outrider::proxy {
namespace {

constexpr std::size_t pieces_per_write_max = 192;  // Pieces::capacity, body and held bytes fit.
constexpr std::size_t held_read_bytes = 4096;  // A message that drips in is read in such pieces.

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
  const Transfer got = transport->read(socket.get(), into);
  transport_unsent = got.unsent;
  if (std::exchange(write_waits_for_read, got.wants_read) && !got.wants_read) flush();
  if (got.state == Transfer::State::moved) {
    // Epoll will tell of the next byte; only the end, which was told together with these bytes, is
    // not told again.
    if (!got.may_have_more && !hung_up) readable = false;
    return {into.data(), got.bytes};
  }
  readable = false;
  if (got.state == Transfer::State::ended) ended = true;
  if (got.state == Transfer::State::broken) broken = ended = true;
  return {};
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
  if (!has_unsent()) return !write_failed;
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
  if (total == 0 && transport_unsent == 0) return true;
  std::size_t sent = 0;
  if (writable) {
    const Transfer gone = transport->write(socket.get(), std::span(vectors.data(), count), total);
    if (gone.state == Transfer::State::broken) {
      write_failed = true;
      transport_unsent = 0;
      out.clear();
      return false;
    }
    sent = gone.bytes;
    transport_unsent = gone.unsent;
    write_waits_for_read = gone.wants_read;
    if (gone.unsent != 0 || (sent < total && !gone.wants_read)) writable = false;
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
