// SPDX-License-Identifier: Apache-2.0
#pragma once

// The page of one model: how it is, what is ahead, what happened to it, what was done. PURE.

#include <string>
#include <vector>

#include "agent/page/ahead.h"
#include "agent/page/models.h"
#include "agent/page/reader.h"
#include "base/wire/json.h"

namespace outrider::page {

struct ModelContent {
  Time now;
  const ModelLine& line;
  std::vector<const incident::Incident*> incidents = {};  // Its own, newest first.
  std::vector<wire::Json> actions = {};                   // Its own, newest first.
  Ahead ahead = {};
  bool is_forecasting = false;  // Else what is missing is said.
  std::string grafana_url = {};
  Reader reader = {};
};
std::string model_main(const ModelContent& content);

inline constexpr std::size_t incidents_of_model_max = 20;
inline constexpr std::size_t actions_of_model_max = 10;

}  // namespace outrider::page
