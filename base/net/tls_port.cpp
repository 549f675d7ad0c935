// SPDX-License-Identifier: Apache-2.0
#include "base/net/tls_port.h"

#include <spdlog/spdlog.h>

#include <utility>

namespace outrider::net {

TlsPort::TlsPort(Settings settings)
    : settings_(std::move(settings)),
      credentials_({settings_.directory, {}}, [rules = settings_.clients](const tls::Material& m) {
        return tls::Context::server(m, rules);
      }) {}

std::shared_ptr<const tls::Context> TlsPort::context() const {
  std::uint64_t none_seen = 0;
  std::shared_ptr<const tls::Context> context;
  credentials_.refresh(none_seen, context);
  return context;
}

void TlsPort::count(tls::HandshakeResult result) {
  handshakes_[static_cast<std::size_t>(result)].fetch_add(1, std::memory_order_relaxed);
}

void TlsPort::look() {
  std::string why;
  switch (credentials_.look(why)) {
    case tls::Credentials::Look::unchanged:
      return;
    case tls::Credentials::Look::reloaded:
      reloads_.fetch_add(1, std::memory_order_relaxed);
      spdlog::info("TLS certificates of the {} port were read again", settings_.name);
      return;
    case tls::Credentials::Look::failed:
      reload_failures_.fetch_add(1, std::memory_order_relaxed);
      spdlog::error(
          "TLS certificates of the {} port have changed and cannot be used; the old ones stay in "
          "force: {}",
          settings_.name, why);
  }
}

TlsFigures TlsPort::figures() const {
  TlsFigures figures{.port = settings_.name, .sides = {}};
  TlsSideFigures& server = figures.sides[static_cast<std::size_t>(tls::Side::server)].emplace();
  for (std::size_t i = 0; i < handshakes_.size(); ++i)
    server.handshakes[i] = handshakes_[i].load(std::memory_order_relaxed);
  server.expires_at = credentials_.expires_at();
  figures.reloads = reloads_.load(std::memory_order_relaxed);
  figures.reload_failures = reload_failures_.load(std::memory_order_relaxed);
  return figures;
}

}  // namespace outrider::net
