// SPDX-License-Identifier: Apache-2.0
#pragma once

// What was found about an incident's cause: the ranked suspects, a verdict, the change that is
// blamed, and what was not known. PURE values; agent/suspects makes them.

#include <optional>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "base/wire/json.h"

namespace outrider::incident {

// Earlier incidents that are like one at hand (earlier.h).
struct Earlier {
  struct Action {
    std::string action, outcome;
    std::optional<Duration> ended_after;  // From its sending to the end of the alerts.
  };
  struct Case {
    std::string incident;
    Time opened_at = {}, ended_at = {};
    std::string alike;       // "the same alerts and the same cause".
    std::string cause = {};  // "shop/checkout (cpu)"; "": none was named.
    std::vector<Action> actions = {};
  };
  std::size_t times = 0;  // Of all that are known.
  std::string sentence;   // "" where there are none.
  std::vector<Case> cases;

  static constexpr std::size_t cases_max = 5;
};

struct Diagnosis {
  struct Cause {
    std::string component;
    std::string kind;  // agent/diagnose/diagnosis.h names them; of a model `version`, too.
    double probability = 0;
    double score = 0;
    std::optional<Time> onset;
    std::vector<std::string> evidence;
  };
  struct Blamed {  // A change, as it was told.
    std::string component, kind, what, version;
    Time at;
  };
  // One metric of a cause as it was measured, for whoever looks later; NaN where nothing was.
  struct Shown {
    std::string component, metric;
    Time from;
    Duration step{};
    std::vector<double> values;
  };
  Time made_at;
  bool named = false;  // Else: insufficient evidence.
  double p = 1;        // How often calm times look as bad.
  std::string reason;
  std::string sentence;  // All of it in one: "root cause: deployment v2.1.3 of shop/checkout …".
  std::vector<Cause> causes;  // The whole ranking, the likeliest first, up to causes_max.
  std::size_t suspects = 0;   // How many were ranked.
  std::optional<Blamed> change;
  std::vector<Shown> shown = {};     // Of the likeliest causes, what moved most.
  std::string scope;                 // Which components were ranked, and why those.
  std::vector<std::string> unknown;  // What was not answered, or has no series.
  Earlier earlier;
  Time from, at, to;  // Baseline's begin, the assumed onset, the last row asked for.

  static constexpr std::size_t causes_max = 200;
};

// The keys of `outrider diagnose --json`, and beside them `sentence`, `made_at`, `scope`,
// `suspects`, `shown`, `unknown`, `from`, `at`, `to`.
wire::Json to_json(const Diagnosis& diagnosis);
wire::Json to_json(const Earlier& earlier);
// Throws wire::Json::exception or std::invalid_argument on what to_json did not write.
Diagnosis read_diagnosis(const wire::Json& json);

// In which slices of the inputs the model got worse, as a sidecar says.
struct Slices {
  Time asked_at;
  std::string summary;  // The sidecar's sentence, or why there is none.
  wire::Json answer;    // The sidecar's whole answer; null where there is none.
  std::string from;     // The sidecar.
  std::size_t asked = 0, answered = 0;
};
wire::Json to_json(const Slices& slices);
Slices read_slices(const wire::Json& json);

}  // namespace outrider::incident
