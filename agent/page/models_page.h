// SPDX-License-Identifier: Apache-2.0
#pragma once

// The page at `/`: what is wrong now, and every model with its figures. PURE.

#include <map>
#include <string>
#include <vector>

#include "agent/page/ahead.h"
#include "agent/page/models.h"

namespace outrider::page {

struct ModelsContent {
  Time now;
  const Fleet* fleet = nullptr;
  const std::vector<ModelLine>* lines = nullptr;          // All that the reader may see.
  const std::vector<incident::Incident>* open = nullptr;  // Newest first.
  std::map<std::string, std::size_t> waiting = {};        // Actions for a person, by incident.
  ModelsView view = {};
  std::vector<const Foretold*> limits = {};  // That are reached within what is forecast.
};

std::string models_main(const ModelsContent& content);

// How a model is, as a badge; it leads to the open incidents, where there are any.
std::string state_badge(const ModelLine& line);

// "Figures of Prometheus at …, asked 3 s ago …": where numbers come from and how old they are; over
// two minutes is called old.
std::string source_line(const Fleet& fleet, Time now);

// What happened in one line, with the model's name.
std::string headline_text(const incident::Incident& incident);

// An incident in a list: how grave, what, where, since when, why as far as that is known.
std::string incident_item(const incident::Incident& incident, std::size_t waiting, Time now);

}  // namespace outrider::page
