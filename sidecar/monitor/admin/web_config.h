// SPDX-License-Identifier: Apache-2.0
#pragma once

// --web.config.file: basic authentication in the format of Prometheus's exporter-toolkit:
//
//   basic_auth_users:  {alice: $2y$10$…}          # bcrypt
//
// tls_server_config is refused (--web.tls-cert-dir says it), and so is what else the toolkit knows,
// rather than passed over.

#include <string>

#include "base/core/result.h"
#include "base/net/http_server.h"

namespace outrider::monitor {

// Fills in basic authentication. "" changes nothing. Errors: "bad_config", all mistakes at once;
// "cannot_read".
Result<void> apply_web_config(const std::string& file, net::HttpServer::Settings& settings);

}  // namespace outrider::monitor
