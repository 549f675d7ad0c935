// SPDX-License-Identifier: Apache-2.0
#pragma once

// The routes of the agent's pages: what the journal, the dispatcher and Prometheus's figures say,
// as far as the reader's token reaches, rendered by agent/page. SHELL.
//
// What is read of the journal is kept for a second for all readers together (lists: four). An
// answer has an ETag of what it says but for its ages, so that a page that asks again for nothing
// new is answered 304.

#include "agent/api/api.h"

namespace outrider::api {

// "/", "/incidents", "/incidents/{id}", "/actions" and "/assets/{name}".
void add_page_routes(net::Router& router, const ApiParts& parts);

// Whether the caller's token reaches to what is of this identity.
bool reaches(const net::HttpRequest& request, const incident::Identity& who);

// An action with its history, as the API tells it.
wire::Json action_json(const ApiParts& parts, const decide::Action& action);

}  // namespace outrider::api
