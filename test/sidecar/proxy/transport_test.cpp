// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/transport.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <utility>

#include "sidecar/proxy/channel.h"
#include "sidecar/proxy/tls_transport.h"
#include "test/base/tls/certificates.h"
#include "test/support/catch.h"

namespace outrider::proxy {
namespace {

// As TLS behaves, without its cryptography: a hello of each side, before which nothing is written;
// then records, which are read whole and handed over as there is room. It holds what the socket
// does not take.
class SealedTransport final : public Transport {
 public:
  Transfer read(int socket, std::span<char> into) override {
    char bytes[600];  // Less than a record.
    bool is_drained = false, has_ended = false;
    while (opened_.empty() && !is_drained && !has_ended) {
      const ssize_t n = ::recv(socket, bytes, sizeof bytes, 0);
      if (n < 0 && errno != EAGAIN) return {.state = Transfer::State::broken};
      is_drained = n < static_cast<ssize_t>(sizeof bytes);
      has_ended = n == 0;
      if (n > 0) came_.append(bytes, static_cast<std::size_t>(n));
      open();
    }
    if (!say_hello(socket)) return {.state = Transfer::State::broken};
    Transfer transfer{.wants_read = !is_greeted_, .unsent = unsent_.size()};
    transfer.bytes = std::min(into.size(), opened_.size());
    std::copy_n(opened_.begin(), transfer.bytes, into.begin());
    opened_.erase(0, transfer.bytes);
    transfer.may_have_more = !opened_.empty() || !is_drained || has_ended;
    if (transfer.bytes != 0) transfer.state = Transfer::State::moved;
    if (transfer.bytes == 0 && has_ended) transfer.state = Transfer::State::ended;
    return transfer;
  }

  Transfer write(int socket, std::span<iovec> pieces, std::size_t) override {
    if (!say_hello(socket)) return {.state = Transfer::State::broken};
    std::size_t taken = 0;
    if (is_greeted_ && unsent_.empty()) {
      std::string record;
      for (const iovec& piece : pieces)
        record.append(static_cast<char*>(piece.iov_base), piece.iov_len);
      record.resize(std::min<std::size_t>(record.size(), 1000));
      taken = record.size();
      for (char& c : record) c = static_cast<char>(c ^ 0x5a);
      if (taken != 0)
        unsent_ = {static_cast<char>(taken >> 8), static_cast<char>(taken & 0xff)},
        unsent_ += record;
    }
    if (!send(socket)) return {.state = Transfer::State::broken};
    return {.state = taken == 0 ? Transfer::State::blocked : Transfer::State::moved,
            .wants_read = !is_greeted_,
            .bytes = taken,
            .unsent = unsent_.size()};
  }

  void shut_down(int socket) override { ::shutdown(socket, SHUT_WR); }

 private:
  bool say_hello(int socket) {
    if (!std::exchange(has_greeted_, true)) unsent_ = "hello";
    return send(socket);
  }
  bool send(int socket) {
    while (!unsent_.empty()) {
      const ssize_t n = ::send(socket, unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
      if (n < 0) return errno == EAGAIN;
      unsent_.erase(0, static_cast<std::size_t>(n));
    }
    return true;
  }
  void open() {
    if (!is_greeted_ && came_.size() >= 5) is_greeted_ = true, came_.erase(0, 5);
    while (is_greeted_ && came_.size() >= 2) {
      const std::size_t size =
          static_cast<unsigned char>(came_[0]) * 256u + static_cast<unsigned char>(came_[1]);
      if (came_.size() < 2 + size) return;
      for (std::size_t i = 0; i < size; ++i) opened_ += static_cast<char>(came_[2 + i] ^ 0x5a);
      came_.erase(0, 2 + size);
    }
  }

  std::string came_, opened_, unsent_;
  bool has_greeted_ = false, is_greeted_ = false;
};

// One side of a connection that writes and reads what there is, by edge-triggered events alone.
struct Side final : EventTarget {
  Side(int socket, int epoll, std::size_t seed) : random(static_cast<unsigned>(seed)) {
    channel.socket = Descriptor(socket);
    ::fcntl(socket, F_SETFL, O_NONBLOCK);
    const int small = 4096;
    ::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.ptr = static_cast<EventTarget*>(this);
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event);
  }

  void on_events(std::uint32_t events) override {
    channel.note(events);
    while (step()) {
    }
  }

  bool step() {
    const std::size_t held = channel.unsent();
    channel.flush();
    bool moved = channel.unsent() != held;
    if (!channel.has_unsent() && written < to_write.size()) {
      const std::string_view left = std::string_view(to_write).substr(written);
      const std::string_view first = left.substr(0, random() % 3000),
                             second = left.substr(first.size(), random() % 300);
      const std::string_view pieces[] = {first, second};
      channel.write(pieces);
      written += first.size() + second.size();
      moved = true;
    }
    if (written == to_write.size() && !channel.has_unsent() && !std::exchange(has_ended, true))
      channel.shut_down();
    char buffer[256];
    if (!channel.readable || channel.ended) return moved;
    const std::string_view got = channel.read(std::span(buffer).first(1 + random() % 256));
    read.append(got);
    return moved || !got.empty() || channel.readable;
  }

  std::size_t bytes_held = 0;
  Channel channel{bytes_held};
  std::string to_write, read;
  std::size_t written = 0;
  bool has_ended = false;
  std::mt19937 random;
};

struct Pair {
  // Until both have read the other's end; false when no event comes any more.
  bool talk() {
    while (!a.channel.ended || !b.channel.ended) {
      epoll_event events[4];
      const int n = ::epoll_wait(epoll.get(), events, 4, 2000);
      if (n <= 0) return false;
      for (int i = 0; i < n; ++i)
        static_cast<EventTarget*>(events[i].data.ptr)->on_events(events[i].events);
    }
    return true;
  }

  static std::array<int, 2> connected_sockets() {
    std::array<int, 2> sockets{-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, sockets.data()) == 0);
    return sockets;
  }

  Descriptor epoll{::epoll_create1(0)};
  const std::array<int, 2> sockets = connected_sockets();
  Side a{sockets[0], epoll.get(), 1}, b{sockets[1], epoll.get(), 2};
};

std::string random_bytes(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

// Both sides of TLS, of one authority.
struct TlsSides {
  TlsSides() {
    std::string name = (std::filesystem::temp_directory_path() / "outrider-tls-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    folder = name;
    const tls::Authority authority;
    const tls::Material material = authority.issue();
    std::ofstream(folder / "tls.crt") << material.certificates;
    std::ofstream(folder / "tls.key") << material.key;
    std::ofstream(folder / "ca.crt") << material.ca;
    server_files = std::make_unique<tls::Credentials>(
        tls::Credentials::Files{folder, {}},
        [](const tls::Material& m) { return tls::Context::server(m, {}); });
    client_files = std::make_unique<tls::Credentials>(
        tls::Credentials::Files{folder, {}},
        [](const tls::Material& m) { return tls::Context::client(m, "model"); });
  }
  ~TlsSides() { std::filesystem::remove_all(folder); }

  std::filesystem::path folder;
  std::unique_ptr<tls::Credentials> server_files, client_files;
};

std::uint64_t count_of(const tap::TlsHandshakeCounts& counts, tls::HandshakeResult result) {
  return counts[static_cast<std::size_t>(result)].get();
}

TEST_CASE("bytes pass both ways at once through TLS, by edge-triggered events alone") {
  const TlsSides sides;
  tap::TlsHandshakeCounts of_server, of_client;
  std::size_t held = 0;
  TlsSide server(*sides.server_files, of_server, held),
      client(*sides.client_files, of_client, held);
  for (int round = 1; round <= 2; ++round) {  // The second resumes.
    const auto a = client.make(), b = server.make();
    {
      Pair pair;
      pair.a.channel.transport = a.get(), pair.b.channel.transport = b.get();
      pair.a.to_write = random_bytes(200'000, 3);
      pair.b.to_write = random_bytes(150'000, 4);
      REQUIRE(pair.talk());
      CHECK(pair.a.read == pair.b.to_write);
      CHECK(pair.b.read == pair.a.to_write);
      CHECK_FALSE(pair.a.channel.broken);
      CHECK_FALSE(pair.b.channel.broken);
      CHECK_FALSE(pair.a.channel.has_unsent());
    }
    CHECK(held == 0);  // Nothing is kept for a connection at rest.
    CHECK(count_of(of_server, tls::HandshakeResult::success) == static_cast<std::uint64_t>(round));
    CHECK(count_of(of_client, tls::HandshakeResult::success) == static_cast<std::uint64_t>(round));
  }
}

TEST_CASE("a TLS connection that the peer ends without close_notify is broken, not ended") {
  const TlsSides sides;
  tap::TlsHandshakeCounts of_server, of_client;
  std::size_t held = 0;
  TlsSide server(*sides.server_files, of_server, held),
      client(*sides.client_files, of_client, held);
  const auto a = client.make(), b = server.make();
  Pair pair;
  pair.a.channel.transport = a.get(), pair.b.channel.transport = b.get();
  char buffer[64];
  pair.a.channel.note(EPOLLIN | EPOLLOUT);
  pair.b.channel.note(EPOLLIN | EPOLLOUT);
  pair.a.channel.write("question");
  for (Side* side : {&pair.b, &pair.a}) {
    side->channel.note(EPOLLIN);
    CHECK(side->channel.read(buffer).empty());
  }
  pair.b.channel.note(EPOLLIN);
  CHECK(pair.b.channel.read(buffer) == "question");
  pair.a.channel.socket.reset();
  pair.b.channel.note(EPOLLIN | EPOLLRDHUP);
  CHECK(pair.b.channel.read(buffer).empty());
  CHECK(pair.b.channel.ended);
  CHECK(pair.b.channel.broken);
}

TEST_CASE("each TLS connection is counted once, but none to an upstream that was never made") {
  const TlsSides sides;
  tap::TlsHandshakeCounts of_server, of_client;
  std::size_t held = 0;
  TlsSide server(*sides.server_files, of_server, held),
      client(*sides.client_files, of_client, held);
  server.make();
  client.make();
  const auto slow = server.make();
  slow->give_up_handshake();
  slow->give_up_handshake();
  CHECK(count_of(of_server, tls::HandshakeResult::closed) == 1);
  CHECK(count_of(of_server, tls::HandshakeResult::timeout) == 1);
  CHECK(count_of(of_client, tls::HandshakeResult::closed) == 0);
}

TEST_CASE("bytes pass both ways at once through any transport, by edge-triggered events alone") {
  for (const bool is_sealed : {false, true}) {
    CAPTURE(is_sealed);
    SealedTransport sealed_a, sealed_b;
    Pair pair;
    if (is_sealed) pair.a.channel.transport = &sealed_a, pair.b.channel.transport = &sealed_b;
    pair.a.to_write = random_bytes(200'000, 3);
    pair.b.to_write = random_bytes(150'000, 4);
    REQUIRE(pair.talk());
    CHECK(pair.a.read == pair.b.to_write);
    CHECK(pair.b.read == pair.a.to_write);
    CHECK_FALSE(pair.a.channel.broken);
    CHECK_FALSE(pair.a.channel.has_unsent());
  }
}

TEST_CASE(
    "what waits for the transport's handshake is written once that was read, without another "
    "event") {
  SealedTransport sealed_a, sealed_b;
  Pair pair;
  pair.a.channel.transport = &sealed_a;
  pair.b.channel.transport = &sealed_b;
  pair.a.channel.note(EPOLLOUT);
  pair.b.channel.note(EPOLLOUT);
  pair.a.channel.write("question");
  CHECK(pair.a.channel.unsent() == 8);
  CHECK(pair.a.channel.write_waits_for_read);
  char buffer[64];
  pair.b.channel.note(EPOLLIN);
  CHECK(pair.b.channel.read(buffer).empty());  // The hello alone, which it answers.
  pair.a.channel.note(EPOLLIN);
  CHECK(pair.a.channel.read(buffer).empty());
  CHECK_FALSE(pair.a.channel.has_unsent());
  pair.b.channel.note(EPOLLIN);
  CHECK(pair.b.channel.read(buffer) == "question");
}

TEST_CASE(
    "what a transport holds counts as unsent, and is sent when the socket takes bytes again") {
  SealedTransport sealed_a, sealed_b;
  Pair pair;
  pair.a.channel.transport = &sealed_a;
  pair.b.channel.transport = &sealed_b;
  char buffer[4096];
  for (Side* side : {&pair.a, &pair.b, &pair.a}) {
    side->channel.note(EPOLLIN | EPOLLOUT);
    side->channel.flush();
    (void)side->channel.read(buffer);
  }
  const std::string much = random_bytes(100'000, 5);
  std::size_t written = 0;
  while (written < much.size() && !pair.a.channel.has_unsent()) {
    pair.a.channel.write(std::string_view(much).substr(written, 1000));
    written += 1000;
  }
  REQUIRE(pair.a.channel.has_unsent());
  CHECK(pair.a.channel.out.empty());  // It lies in the transport.
  CHECK(pair.a.channel.transport_unsent != 0);
  CHECK_FALSE(pair.a.channel.writable);
  std::string read;
  while (read.size() < written) {
    pair.b.channel.note(EPOLLIN);
    read += pair.b.channel.read(buffer);
    pair.a.channel.note(EPOLLOUT);
    REQUIRE(pair.a.channel.flush());
  }
  CHECK(read == much.substr(0, written));
  CHECK_FALSE(pair.a.channel.has_unsent());
}

TEST_CASE(
    "a transport that breaks while it writes loses what was unsent, and one that reads is at its "
    "end") {
  struct BrokenTransport final : Transport {
    Transfer read(int, std::span<char>) override { return {.state = Transfer::State::broken}; }
    Transfer write(int, std::span<iovec>, std::size_t) override {
      return {.state = Transfer::State::broken};
    }
    void shut_down(int) override {}
  } broken;
  Pair pair;
  Channel& channel = pair.a.channel;
  channel.transport = &broken;
  channel.note(EPOLLIN | EPOLLOUT);
  CHECK_FALSE(channel.write("x"));
  CHECK(channel.write_failed);
  CHECK_FALSE(channel.has_unsent());
  char buffer[8];
  CHECK(channel.read(buffer).empty());
  CHECK(channel.broken);
  CHECK(channel.ended);
}

}  // namespace
}  // namespace outrider::proxy
