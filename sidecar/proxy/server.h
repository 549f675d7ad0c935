// SPDX-License-Identifier: Apache-2.0
#pragma once

// The proxy: its listening sockets and data threads. SHELL.
//
//   Server server(settings, memory_file);        // listens; throws what is wrong
//   server.port();
//   server.begin_drain();                        // unready; serves for drain_delay, then drains
//   server.is_drained();                         // true when no connection is left
//
// Thread-safety: the thread that made it alone.

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "sidecar/options/proxy_options.h"
#include "sidecar/proxy/tls_credentials.h"
#include "sidecar/proxy/upstream.h"
#include "sidecar/tap/memory_file.h"

namespace outrider::proxy {

class Worker;

class Server {
 public:
  // Throws std::runtime_error when the addresses are wrong or the port is taken.
  Server(const Settings& settings, tap::MemoryFile& file);
  ~Server();  // Drains without delay.

  std::uint16_t port() const { return port_; }
  // Begins to leave; called again, ends the delay. Requests at hand are answered within
  // drain_timeout of its end; what is then left is cancelled. See drain.h.
  void begin_drain();
  // Several times a second: looks whether certificates have changed.
  void look_at_certificates() { tls_.look(); }
  bool is_drained() const { return running_.load(std::memory_order_acquire) == 0; }

 private:
  const Settings settings_;
  tap::MemoryFile& file_;
  const Upstream upstream_;
  TlsCredentials tls_;
  std::uint16_t port_ = 0;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::atomic<std::size_t> running_{0};
  std::vector<std::thread> threads_;
};

// How the tap's memory is shared out: three quarters are rings, one quarter capture buffers.
tap::MemoryFile::Size memory_size(const Settings& settings);

}  // namespace outrider::proxy
