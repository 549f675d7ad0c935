// SPDX-License-Identifier: Apache-2.0
#pragma once

// The proxy: its listening sockets and data threads. SHELL.
//
//   Server server(settings, memory_file);        // listens; throws what is wrong
//   server.port();
//   server.drain();                              // begin_drain(), then until all requests are
//   answered
//
// Thread-safety: begin_drain() from any thread; the rest from the thread that made it.

#include <memory>
#include <thread>
#include <vector>

#include "sidecar/proxy/settings.h"
#include "sidecar/proxy/upstream.h"
#include "sidecar/tap/memory_file.h"

namespace outrider::proxy {

class Worker;

class Server {
 public:
  // Throws std::runtime_error when the addresses are wrong or the port is taken.
  Server(const Settings& settings, tap::MemoryFile& file);
  ~Server();  // Drains.

  std::uint16_t port() const { return port_; }
  // Requests at hand are answered within drain_timeout; what is then left is cancelled.
  void drain();

 private:
  const Settings settings_;
  tap::MemoryFile& file_;
  const Upstream upstream_;
  std::uint16_t port_ = 0;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
};

// How the tap's memory is shared out: three quarters are rings, one quarter capture buffers.
tap::MemoryFile::Size memory_size(const Settings& settings);

}  // namespace outrider::proxy
