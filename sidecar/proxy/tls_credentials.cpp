// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/tls_credentials.h"

#include <spdlog/spdlog.h>

#include <stdexcept>
#include <utility>

namespace outrider::proxy {
namespace {

constexpr std::chrono::milliseconds look_every{250};

void refuse_lonely_options(const Settings& s) {
  if (s.tls_cert_dir.empty() && (s.tls_require_client_certificate || !s.tls_client_names.empty()))
    throw std::runtime_error(
        "tls.require-client-certificate and tls.client-name need tls.cert-dir: without it clients "
        "speak plain HTTP, and nobody is refused");
  if (!s.tls_client_names.empty() && !s.tls_require_client_certificate)
    throw std::runtime_error(
        "tls.client-name needs tls.require-client-certificate: without it no client is asked who "
        "it is");
  const bool has_upstream_options = !s.upstream_tls_ca.empty() ||
                                    !s.upstream_tls_cert_dir.empty() ||
                                    !s.upstream_tls_server_name.empty();
  if (has_upstream_options && !s.upstream_speaks_tls())
    throw std::runtime_error("upstream=" + s.upstream +
                             ": upstream.tls-ca, upstream.tls-cert-dir and "
                             "upstream.tls-server-name need an upstream of https://");
}

std::unique_ptr<tls::Credentials> server_of(const Settings& settings) {
  if (settings.tls_cert_dir.empty()) return nullptr;
  const tls::ClientRules rules{settings.tls_require_client_certificate, settings.tls_client_names};
  // A client that offers both gets the one that the upstream surely speaks.
  const tls::Alpn alpn = !settings.passes_http1()  ? tls::Alpn::http2_first
                         : settings.passes_http2() ? tls::Alpn::http1_first
                                                   : tls::Alpn::http1;
  return std::make_unique<tls::Credentials>(tls::Credentials::Files{settings.tls_cert_dir, {}},
                                            [rules, alpn](const tls::Material& material) {
                                              return tls::Context::server(material, rules, alpn);
                                            });
}

std::unique_ptr<tls::Credentials> client_of(const Settings& settings,
                                            const std::string& upstream_host) {
  if (!settings.upstream_speaks_tls()) return nullptr;
  const std::string& name = settings.upstream_tls_server_name;
  return std::make_unique<tls::Credentials>(
      tls::Credentials::Files{settings.upstream_tls_cert_dir, settings.upstream_tls_ca},
      [host = name.empty() ? upstream_host : name](const tls::Material& material) {
        return tls::Context::client(material, host);
      });
}

}  // namespace

TlsCredentials::TlsCredentials(const Settings& settings, const std::string& upstream_host,
                               tap::ProcessCells& processes)
    : processes_(processes) {
  refuse_lonely_options(settings);
  sides_ = {server_of(settings), client_of(settings, upstream_host)};
  for (std::size_t i = 0; i < sides_.size(); ++i)
    processes_.tls_on[i].set(sides_[i] != nullptr ? 1 : 0);
  publish_expiry();
}

void TlsCredentials::look() {
  const Instant now = Instant::clock::now();
  if (now < look_again_) return;
  look_again_ = now + look_every;
  for (const tls::Side side : {tls::Side::server, tls::Side::client}) {
    tls::Credentials* credentials = sides_[static_cast<std::size_t>(side)].get();
    if (credentials == nullptr) continue;
    std::string why;
    switch (credentials->look(why)) {
      case tls::Credentials::Look::unchanged:
        break;
      case tls::Credentials::Look::reloaded:
        processes_.tls_reloads.add();
        publish_expiry();
        spdlog::info("TLS certificates of the {} side were read again", to_string(side));
        break;
      case tls::Credentials::Look::failed:
        processes_.tls_reload_failures.add();
        spdlog::error(
            "TLS certificates of the {} side have changed and cannot be used; the old "
            "ones stay in force: {}",
            to_string(side), why);
    }
  }
}

void TlsCredentials::publish_expiry() {
  for (std::size_t i = 0; i < sides_.size(); ++i) {
    if (sides_[i] == nullptr) continue;
    const auto end = sides_[i]->expires_at().time_since_epoch();
    processes_.tls_expiry[i].set(static_cast<std::uint64_t>(
        std::max<std::int64_t>(0, std::chrono::floor<std::chrono::seconds>(end).count())));
  }
}

}  // namespace outrider::proxy
