// SPDX-License-Identifier: Apache-2.0
#pragma once

// One retraining from beginning to end: gather rows, plan, train, store, judge, promote or keep as
// the candidate. SHELL. Runs on the job queue's thread, with lower priority than serving.

#include <functional>
#include <string>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/net/http_client.h"
#include "predictor/gates/gates.h"
#include "predictor/registry/registry.h"
#include "predictor/retrain/plan.h"
#include "predictor/retrain/request.h"

namespace outrider::retrain {

struct Sources {
  std::string original_file =
      "";                // Empty: the file that production's card names, where it can be read.
  std::string url = "";  // Training data of a sidecar or the agent; `since` and `format` are added.
  // Adds to the question what it is to be known by, and whom to trust.
  std::function<Result<void>(net::ClientRequest&)> prepare =
      [](net::ClientRequest&) -> Result<void> { return {}; };
  std::string growing_file = "";  // A CSV file to which somebody appends.
  std::size_t bytes_max = 256 << 20;
  Duration url_timeout = std::chrono::seconds(60);
};

// An alarm is raised from about a hundred labels, and a model wants more. Where the change has a
// time, a retraining may wait for rows to come: until there are `rows`, but no longer than `limit`.
struct Patience {
  std::size_t rows = 1000;
  Duration limit = Duration::zero();  // Zero: never waits.
};

struct Rules {
  Sources sources = {};
  Patience patience = {};
  PlanRules plan = {};
  gates::Bounds gates = {};
};

struct Ending {
  std::string state;  // succeeded, refused, failed.
  std::string message;
  std::string version;  // That was made; "" when none.
  std::string strategy;
  wire::Json gates;  // What they said; null when they were not asked.
};

// Tells the stage; throws to give up (the queue stops).
using OnStage = std::function<void(const std::string& stage)>;

Ending retrain(registry::Registry& registry, const Request& request, const std::string& job,
               const Rules& rules, const Clock& clock, const OnStage& on_stage);

}  // namespace outrider::retrain
