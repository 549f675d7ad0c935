// SPDX-License-Identifier: Apache-2.0
#pragma once

// A port's TLS, made of what a user set. SHELL: reads the certificate.

#include <memory>
#include <string>

#include "base/net/tls_port.h"
#include "base/web/tls_options.h"

namespace outrider::web {

// `prefix` is that of the options, `name` the label `port`. nullptr: plain HTTP. Throws
// std::runtime_error: options that contradict one another, a certificate that cannot be used.
std::shared_ptr<net::TlsPort> tls_port(const TlsOptions& options, const std::string& prefix,
                                       const std::string& name);

}  // namespace outrider::web
