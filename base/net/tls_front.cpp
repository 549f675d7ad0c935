// SPDX-License-Identifier: Apache-2.0
#include "base/net/tls_front.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "base/net/address.h"

namespace outrider::net {
namespace {

using namespace std::chrono_literals;

constexpr auto tick = 250ms;          // Deadlines and certificates are looked at so often.
constexpr auto accept_pause = 100ms;  // Where no file descriptor is left.
constexpr auto stop_limit = 1s;
constexpr int events_max = 64, backlog = 256, accepts_max = 64;

struct FreeAddresses {
  void operator()(addrinfo* found) const { ::freeaddrinfo(found); }
};

[[noreturn]] void cannot_listen(const std::string& address, const std::string& why) {
  throw std::runtime_error("cannot listen on " + address + ": " + why +
                           "; choose another address or port");
}

int listen_on(const std::string& address, std::uint16_t& bound) {
  const auto parsed = parse_address(address);
  if (!parsed) throw std::runtime_error(parsed.error().message);
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const std::string host = parsed->host.empty() ? "0.0.0.0" : parsed->host;
  if (const int code =
          ::getaddrinfo(host.c_str(), std::to_string(parsed->port).c_str(), &hints, &list);
      code != 0)
    cannot_listen(address, ::gai_strerror(code));
  const std::unique_ptr<addrinfo, FreeAddresses> found(list);
  const int socket =
      ::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, found->ai_protocol);
  const int on = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  if (socket < 0 || ::bind(socket, found->ai_addr, found->ai_addrlen) != 0 ||
      ::listen(socket, backlog) != 0 ||
      ::getsockname(socket, reinterpret_cast<sockaddr*>(&name), &size) != 0) {
    const std::string why = std::strerror(errno);
    if (socket >= 0) ::close(socket);
    cannot_listen(address, why);
  }
  bound = ntohs(name.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(name).sin6_port
                                           : reinterpret_cast<sockaddr_in&>(name).sin_port);
  return socket;
}

// Without port; an IPv4 address that came over an IPv6 socket as itself.
std::string text_of(const sockaddr_storage& peer) {
  char text[INET6_ADDRSTRLEN] = "";
  if (peer.ss_family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(peer).sin_addr, text, sizeof text);
  } else {
    const in6_addr& address = reinterpret_cast<const sockaddr_in6&>(peer).sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&address)) {
      ::inet_ntop(AF_INET, address.s6_addr + 12, text, sizeof text);
    } else {
      ::inet_ntop(AF_INET6, &address, text, sizeof text);
    }
  }
  return text;
}

bool no_descriptor_left() {
  return errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS;
}

}  // namespace

// A relay, and what epoll knows of its two sockets.
struct TlsFront::Watched {
  Watched(int socket, std::string peer, const TlsRelay::Settings& settings, Instant now)
      : relay(socket, std::move(peer), settings, now) {}

  struct Socket {
    int descriptor = -1;
    std::uint32_t interest = 0;
  };
  TlsRelay relay;
  Socket client, backend;
  bool goes_on = false;  // It would go on at once.
};

TlsFront::TlsFront(Settings settings, std::shared_ptr<TlsPort> port, TlsPeers& peers)
    : settings_(std::move(settings)), port_(std::move(port)), peers_(peers) {
  listening_ = listen_on(settings_.listen_address, bound_port_);
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  bell_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (epoll_ < 0 || bell_ < 0) throw std::system_error(errno, std::generic_category(), "epoll");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = &bell_;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, bell_, &event);
  set_accepting(true);
  // Signals are for the program's own thread.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TlsFront::~TlsFront() {
  stop();
  for (const int descriptor : {epoll_, bell_}) ::close(descriptor);
}

void TlsFront::stop_accepting() {
  closed_to_new_ = true;
  (void)::eventfd_write(bell_, 1);
}

void TlsFront::stop() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  stop_accepting();
  thread_.join();
}

void TlsFront::set_accepting(bool is_accepting) {
  if (is_accepting == is_accepting_ || listening_ < 0) return;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = &listening_;
  ::epoll_ctl(epoll_, is_accepting ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, listening_, &event);
  is_accepting_ = is_accepting;
}

void TlsFront::run() {
  Instant looked = Instant::clock::now(), stop_at = Instant::max();
  epoll_event events[events_max];
  bool goes_on = false, has_newcomers = false;
  while (!(stopping_ && (relays_.empty() || looked >= stop_at))) {
    const int wait = goes_on ? 0 : static_cast<int>(std::chrono::milliseconds(tick).count());
    const int count = ::epoll_wait(epoll_, events, events_max, wait);
    const Instant now = Instant::clock::now();
    for (int i = 0; i < count; ++i) {
      void* const who = events[i].data.ptr;
      if (who == &listening_) {
        has_newcomers = true;
      } else if (who == &bell_) {
        eventfd_t rung = 0;
        (void)::eventfd_read(bell_, &rung);
      } else {
        pump(*static_cast<Watched*>(who), now);
      }
    }
    if (goes_on)
      for (const auto& watched : relays_)
        if (watched->goes_on) pump(*watched, now);
    if (closed_to_new_ && listening_ >= 0) {
      set_accepting(false);
      ::close(std::exchange(listening_, -1));
    }
    if (stopping_ && stop_at == Instant::max()) stop_at = now + stop_limit;
    // Not before all events are handled: one may be of a relay that another has ended.
    relays_.remove_if([](const auto& watched) { return watched->relay.is_over(); });
    if (std::exchange(has_newcomers, false)) accept_some(now);
    if (now - looked >= tick || stopping_) {
      looked = now;
      tend(now);
    }
    goes_on = std::any_of(relays_.begin(), relays_.end(), [](auto& w) { return w->goes_on; });
  }
  relays_.clear();
  if (listening_ >= 0) ::close(std::exchange(listening_, -1));
}

void TlsFront::tend(Instant now) {
  port_->look();
  for (const auto& watched : relays_) {
    const bool is_idle = stopping_ && !watched->relay.has_asked();
    if (is_idle || now >= watched->relay.deadline())
      watched->relay.give_up(is_idle ? tls::HandshakeResult::closed
                                     : tls::HandshakeResult::timeout);
  }
  relays_.remove_if([](const auto& watched) { return watched->relay.is_over(); });
  if (now >= accept_again_) set_accepting(true);
}

// True when there is room for one more.
bool TlsFront::make_room() {
  if (relays_.size() < settings_.connections_max) return true;
  const auto silent = std::find_if(relays_.begin(), relays_.end(), [](const auto& watched) {
    return !watched->relay.has_asked();  // The eldest.
  });
  if (silent == relays_.end()) return false;
  relays_.erase(silent);
  return true;
}

void TlsFront::accept_some(Instant now) {
  for (int i = 0; i < accepts_max && !closed_to_new_; ++i) {
    if (!make_room()) {
      set_accepting(false);
      accept_again_ = now;  // At the next tick.
      return;
    }
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    const int client = ::accept4(listening_, reinterpret_cast<sockaddr*>(&peer), &size,
                                 SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (no_descriptor_left()) {
        set_accepting(false);
        accept_again_ = now + accept_pause;
      }
      return;
    }
    const int on = 1;
    ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(client, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    const TlsRelay::Settings of_relay{.port = *port_,
                                      .peers = peers_,
                                      .backend_port = settings_.backend_port,
                                      .handshake_timeout = settings_.handshake_timeout,
                                      .first_byte_timeout = settings_.first_byte_timeout,
                                      .close_timeout = settings_.close_timeout};
    try {
      relays_.push_back(std::make_unique<Watched>(client, text_of(peer), of_relay, now));
    } catch (const std::exception& error) {  // OpenSSL has no memory.
      spdlog::error("a TLS connection was not taken: {}", error.what());
      ::close(client);
      continue;
    }
    watch(*relays_.back());
  }
}

void TlsFront::pump(Watched& watched, Instant now) {
  if (watched.relay.is_over()) return;
  watched.goes_on = !watched.relay.pump(now);
  watch(watched);
}

// Tells epoll what the relay waits for. A socket that is closed has left epoll by itself; one of
// which nothing is wanted is taken out, as its end would be told again and again.
void TlsFront::watch(Watched& watched) {
  const auto set = [&](Watched::Socket& socket, int descriptor, std::uint32_t interest) {
    if (descriptor != socket.descriptor) socket = {descriptor, 0};
    if (descriptor < 0 || interest == socket.interest) return;
    epoll_event event{};
    event.events = interest;
    event.data.ptr = &watched;
    const int what = socket.interest == 0 ? EPOLL_CTL_ADD
                     : interest == 0      ? EPOLL_CTL_DEL
                                          : EPOLL_CTL_MOD;
    ::epoll_ctl(epoll_, what, descriptor, &event);
    socket.interest = interest;
  };
  const TlsRelay& relay = watched.relay;
  set(watched.client, relay.client(), relay.client_interest());
  set(watched.backend, relay.backend(), relay.backend_interest());
}

}  // namespace outrider::net
