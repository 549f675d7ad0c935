// SPDX-License-Identifier: Apache-2.0
#pragma once

// TLS in front of a plain HTTP server in the same process: it listens, shakes hands, and relays
// plaintext to the server on 127.0.0.1. SHELL: one thread, one epoll.
//
//   TlsFront front({.listen_address = ":9501", .backend_port = 40123, …}, port);
//   front.port();
//   front.peers().find(source_port);   // the server: whose connection is this?
//   front.stop_accepting(); … the server stops … ; front.stop();
//
// It is here because Debian 12's CivetWeb 1.15 cannot load OpenSSL 3, and so that every port speaks
// TLS by the same transport as the data path (docs/decisions/0041-one-tls-for-all-ports.md).
//
// Bounds: `connections_max` connections. Where they are all in use, the one that has waited longest
// without having asked for anything gives way to a newcomer; where each has asked, newcomers wait
// in the kernel's backlog. A handshake must be over, and a first request begun, within their time;
// after that the server's own time-outs hold. Memory of a connection: see TlsRelay.
//
// Its thread also looks for changed certificates, four times a second.

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <thread>

#include "base/core/clock.h"
#include "base/net/tls_peers.h"
#include "base/net/tls_port.h"
#include "base/net/tls_relay.h"

namespace outrider::net {

class TlsFront {
 public:
  struct Settings {
    std::string listen_address;  // As HttpServer's.
    std::uint16_t backend_port = 0;
    std::size_t connections_max = 320;
    Duration handshake_timeout = std::chrono::seconds(10);
    Duration first_byte_timeout = std::chrono::seconds(30);
    Duration close_timeout = std::chrono::seconds(30);
  };
  // Throws std::runtime_error, naming address and reason, when it cannot listen.
  TlsFront(Settings settings, std::shared_ptr<TlsPort> port, TlsPeers& peers);
  ~TlsFront();  // As stop().
  TlsFront(const TlsFront&) = delete;
  TlsFront& operator=(const TlsFront&) = delete;

  std::uint16_t port() const { return bound_port_; }
  void stop_accepting();  // Of new connections; those at hand go on.
  // Returns when what the server has said is on its way, or a second later. Idempotent.
  void stop();

 private:
  struct Watched;
  using Relays = std::list<std::unique_ptr<Watched>>;
  using Instant = TlsRelay::Instant;

  void run();
  void accept_some(Instant now);
  bool make_room();
  void pump(Watched& watched, Instant now);
  void watch(Watched& watched);
  void tend(Instant now);
  void set_accepting(bool is_accepting);

  const Settings settings_;
  const std::shared_ptr<TlsPort> port_;
  TlsPeers& peers_;
  int listening_ = -1, epoll_ = -1, bell_ = -1;
  std::uint16_t bound_port_ = 0;
  bool is_accepting_ = false;
  Instant accept_again_{};
  Relays relays_;
  std::atomic<bool> closed_to_new_{false}, stopping_{false};
  std::thread thread_;
};

}  // namespace outrider::net
