// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a user sets of asking another program: whom to trust, what to show, which token to carry.
// The same options wherever a program asks one.
//
//   ClientOptions prometheus;
//   prometheus.add_to(table, "prometheus", "Prometheus");   // --prometheus.tls-ca and the rest
//   …parse…
//   if (auto ok = prometheus.apply(request); !ok) return fail(ok);   // each time: files may change

#include <string>

#include "base/config/options.h"
#include "base/core/result.h"
#include "base/net/http_client.h"

namespace outrider::web {

// The variables must outlive the table they are added to.
struct ClientOptions {
  std::string ca_file;            // "": ca.crt of cert_dir where there is one, else the system's.
  std::string cert_dir;           // Of the tls.crt and tls.key that are shown; "": none.
  std::string bearer_token_file;  // "": no token is carried.

  void add_to(config::OptionTable& table, const std::string& prefix, const std::string& whom);
  // As add_to, but for the token, where the program has an option for it already.
  void add_tls_to(config::OptionTable& table, const std::string& prefix, const std::string& whom);

  // Adds them to the request; reads the token file. Error "bad_token_file".
  Result<void> apply(net::ClientRequest& request) const;
};

// A token file's text without blanks around it. Error "bad_token_file": it cannot be read, or is
// empty.
Result<std::string> read_token(const std::string& file);

}  // namespace outrider::web
