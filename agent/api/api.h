// SPDX-License-Identifier: Apache-2.0
#pragma once

// The agent's HTTP API and page. SHELL: reads from the journal, hands everything else to the
// dispatcher.
//
// A browser sends a form or a "simple" request to any address that a page on another site names,
// and that would be somebody else approving. So a POST with an Origin that is not this host is
// refused.

#include <functional>
#include <string>

#include "agent/dispatch/dispatcher.h"
#include "base/net/http_server.h"

namespace outrider::api {

struct ApiParts {
  Dispatcher* dispatcher;
  act::Journal* journal;
  AgentMetrics* metrics;
  const Clock* clock;
  std::function<Result<void>()> reload;  // Loads the policy anew.
  std::function<bool()> ready;
  std::function<std::string()> policy_trouble;  // "" while the file at hand is in force.
  bool has_policy = false;
};

// Adds every route but /metrics.
void add_routes(net::Router& router, const ApiParts& parts);

}  // namespace outrider::api
