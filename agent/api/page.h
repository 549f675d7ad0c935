// SPDX-License-Identifier: Apache-2.0
#pragma once

// The agent's page: models, incidents with their evidence, actions with approve and reject. PURE:
// text from values, every value escaped. It needs nothing from elsewhere and works without
// JavaScript (it then reloads as a whole each 10 s); with it, only the figures are replaced, and
// not while somebody types.

#include <map>
#include <string>
#include <vector>

#include "agent/act/journal.h"

namespace outrider::api {

struct PageContent {
  Time now;
  std::vector<incident::Incident> open = {};                            // Newest first.
  std::vector<incident::Incident> resolved = {};                        // Newest first.
  std::vector<decide::Action> actions = {};                             // Newest first.
  std::map<std::string, std::vector<act::Journal::Event>> events = {};  // By action, where shown.
  std::vector<incident::Change> changes = {};
  bool has_policy = false;
  bool dry_run = true;
  std::string policy_trouble =
      {};                   // What is wrong with the policy file, while an older one is in force.
  std::string notice = {};  // What became of the button that was pressed.
};

std::string escape_html(std::string_view text);

// `nonce` is that of the Content-Security-Policy header, random for each answer.
std::string render_page(const PageContent& content, const std::string& nonce);

}  // namespace outrider::api
