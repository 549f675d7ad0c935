// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a user sets of who is let in at a program's ports: the same options in every program.
//
//   AccessOptions access;
//   access.add_to(table);               // --web.config.file, --web.tokens-file, --web.namespace
//   …parse…
//   auto guard = web::make_guard(access, {.port = "agent"});     // make_guard.h

#include <string>
#include <vector>

#include "base/config/options.h"

namespace outrider::web {

// The variables must outlive the table they are added to.
struct AccessOptions {
  std::string config_file;           // Users with passwords; "": none.
  std::string tokens_file;           // Tokens with roles; "": none.
  std::string name_space;            // Of the program; "": as its pod's service account has it.
  std::string user_header;           // Of an authenticating proxy (trusted_proxy.h); "": none.
  std::vector<std::string> proxies;  // Its addresses.

  // An agent is about all namespaces, and so has no option for its own.
  void add_to(config::OptionTable& table, bool with_namespace = true);
  // For ports at which persons decide.
  void add_proxy_to(config::OptionTable& table);
};

}  // namespace outrider::web
