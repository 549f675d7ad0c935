// SPDX-License-Identifier: Apache-2.0
#pragma once

// The pages /incidents and /actions: all that the journal still has, filtered, by pages. PURE.

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "agent/incident/incident.h"
#include "agent/page/reader.h"
#include "base/wire/json.h"

namespace outrider::page {

struct ListView {
  std::string search = {}, owner = {}, state = {};
  std::size_t page = 1;
};
inline constexpr std::size_t incidents_a_page = 50;
inline constexpr std::size_t actions_a_page = 50;

// `state`: "" for all, open, resolved.
struct IncidentsContent {
  Time now;
  const std::vector<incident::Incident>* incidents = nullptr;  // Newest first.
  std::map<std::string, std::size_t> waiting = {};             // Actions for a person, by incident.
  ListView view = {};
  bool cut = false;  // There are older ones that were not read.
};
std::string incidents_main(const IncidentsContent& content);

// `state`: "" for all, waiting (for a person), or one of the actions' own words.
struct ActionsContent {
  Time now;
  const std::vector<wire::Json>* actions = nullptr;  // As the API has them, newest first.
  std::function<wire::Json(const std::string& id)> history = {};  // Of those that are shown.
  ListView view = {};
  bool cut = false;
  Reader reader = {};
};
std::string actions_main(const ActionsContent& content);

}  // namespace outrider::page
