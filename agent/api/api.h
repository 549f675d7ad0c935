// SPDX-License-Identifier: Apache-2.0
#pragma once

// The agent's HTTP API; its pages are in pages.h. SHELL: reads from the journal, hands everything
// else to the dispatcher.
//
// A browser sends a form or a "simple" request to any address that a page on another site names,
// and that would be somebody else approving. So a POST with an Origin that is not this host is
// refused.

#include <functional>
#include <string>

#include "agent/act/pause_switch.h"
#include "agent/dispatch/dispatcher.h"
#include "agent/models/model_watch.h"
#include "base/net/http_server.h"

namespace outrider::api {

struct ApiParts {
  Dispatcher* dispatcher;
  act::Journal* journal;
  AgentMetrics* metrics;
  const Clock* clock;
  act::PauseSwitch* pause_switch;
  std::function<Result<void>()> reload;  // Loads the policy anew.
  std::function<bool()> ready;
  std::function<std::string()> policy_trouble;  // "" while the file at hand is in force.
  bool has_policy = false;
  // What GitHub signs its webhooks with; null: they are not signed.
  std::function<Result<std::string>()> github_secret = {};
  std::string grafana_url = {};  // "": pages do not lead there.
  // An incident's tickets, as TicketDesk::tickets_of tells them; empty: there are none.
  std::function<wire::Json(const std::string& incident)> tickets = {};
  models::ModelWatch* models = nullptr;          // None: there is no Prometheus to ask.
  std::function<std::string()> right_size = {};  // JSON; none: nobody asks what containers use.
};

// Adds every route but /metrics.
void add_routes(net::Router& router, const ApiParts& parts);

}  // namespace outrider::api
