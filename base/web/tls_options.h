// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a user sets of a listening port's TLS: the same options, named as the data path's, in every
// program.
//
//   TlsOptions tls;
//   tls.add_to(table, "web", "the admin API and /metrics");   // --web.tls-cert-dir and the rest
//   …parse…
//   const auto port = web::tls_port(tls, "web", "admin");     // tls_port_of.h; nullptr: plain HTTP

#include <string>
#include <vector>

#include "base/config/options.h"

namespace outrider::web {

// The variables must outlive the table they are added to.
struct TlsOptions {
  std::string cert_dir;  // Of tls.crt, tls.key, ca.crt; "": plain HTTP.
  bool require_client_certificate = false;
  std::vector<std::string> client_names;  // URI or DNS SANs that are allowed; {}: any.

  void add_to(config::OptionTable& table, const std::string& prefix, const std::string& of_what);
};

}  // namespace outrider::web
