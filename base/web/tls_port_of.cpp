// SPDX-License-Identifier: Apache-2.0
#include "base/web/tls_port_of.h"

#include <stdexcept>

namespace outrider::web {

std::shared_ptr<net::TlsPort> tls_port(const TlsOptions& options, const std::string& prefix,
                                       const std::string& name) {
  const std::string required = prefix + ".tls-require-client-certificate",
                    names = prefix + ".tls-client-name", directory = prefix + ".tls-cert-dir";
  const bool has_rules = options.require_client_certificate || !options.client_names.empty();
  if (options.cert_dir.empty() && has_rules)
    throw std::runtime_error(required + " and " + names + " need " + directory +
                             ": without it clients speak plain HTTP, and nobody is refused");
  if (!options.client_names.empty() && !options.require_client_certificate)
    throw std::runtime_error(names + " needs " + required +
                             ": without it no client is asked who it is");
  if (options.cert_dir.empty()) return nullptr;
  return std::make_shared<net::TlsPort>(net::TlsPort::Settings{
      name, options.cert_dir, {options.require_client_certificate, options.client_names}});
}

}  // namespace outrider::web
