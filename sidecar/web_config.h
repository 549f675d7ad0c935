// SPDX-License-Identifier: Apache-2.0
#pragma once

// --web.config.file: TLS and basic authentication in the format of Prometheus's exporter-toolkit:
//
//   tls_server_config: {cert_file: server.crt, key_file: server.key}
//   basic_auth_users:  {alice: $2y$10$…}          # bcrypt
//
// File names are relative to the configuration's folder. What else the toolkit knows (client
// certificates, cipher lists, HTTP/2) is refused by name rather than passed over.

#include <string>

#include "base/core/result.h"
#include "base/net/http_server.h"

namespace outrider {

// Fills in TLS and basic authentication. "" changes nothing. Errors: "bad_config", all mistakes at once;
// "cannot_read".
Result<void> apply_web_config(const std::string& file, net::HttpServer::Settings& settings);

}  // namespace outrider
