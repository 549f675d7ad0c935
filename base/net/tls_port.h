// SPDX-License-Identifier: Apache-2.0
#pragma once

// What one listening port has of TLS: its certificate, whom it lets in, what is counted. SHELL.
//
//   auto port = std::make_shared<TlsPort>(TlsPort::Settings{.name = "admin", .directory = dir});
//   HttpServer server({.listen_address = …, .tls = port}, router);
//   metrics.add([port] { return port->figures(); });
//
// Thread-safe, but for look(): one thread, which may wait for a disk.

#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "base/net/tls_metrics.h"
#include "base/tls/credentials.h"

namespace outrider::net {

class TlsPort {
 public:
  struct Settings {
    std::string name;                 // The label `port`.
    std::filesystem::path directory;  // Of tls.crt, tls.key, ca.crt.
    tls::ClientRules clients = {};
  };
  // Throws std::runtime_error, which names the file and what to change.
  explicit TlsPort(Settings settings);

  std::shared_ptr<const tls::Context> context() const;  // The newest.
  void count(tls::HandshakeResult result);
  // Reads changed files again; says so in the log. Where they cannot be used the old ones stay.
  void look();
  TlsFigures figures() const;

 private:
  const Settings settings_;
  tls::Credentials credentials_;
  std::array<std::atomic<std::uint64_t>, tls::handshake_result_count> handshakes_{};
  std::atomic<std::uint64_t> reloads_{0}, reload_failures_{0};
};

}  // namespace outrider::net
