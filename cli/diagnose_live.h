// SPDX-License-Identifier: Apache-2.0
#pragma once

// `outrider diagnose --incident ID`: what the agent found out about one of its incidents, or, with
// --prometheus, the same asked anew from here.

#include <string>

#include "agent/suspects/collection.h"

namespace outrider::cli {

struct LiveSettings {
  std::string agent = "http://127.0.0.1:9510";
  std::string prometheus, loki, incident, queries;
  suspects::Times times;
  bool json = false;
};

// Throws std::runtime_error where one of the two does not answer.
int diagnose_live(const LiveSettings& settings);

}  // namespace outrider::cli
