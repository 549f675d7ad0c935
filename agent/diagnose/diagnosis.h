// SPDX-License-Identifier: Apache-2.0
#pragma once

// One incident: which component is its root cause, or that this cannot be told. PURE.
//
// Method, one file a step: timeline.h (what is now, what is calm), channels.h (what metrics mean),
//   effects.h (how far from normal, beyond calm times), log_sites.h, component_scores.h (over the
//   call graph), exclusive_excess.h (a named symptom), weighing.h (p, probability, changes,
//   abstention), evidence.h (the sentences).
// With a symptom the components are ordered by their exclusive excess, and their scores break ties.
// Cost. 1 000 components x 10 metrics x 60 rows in well under one CPU-second; memory is a few times
// that of the rows.
// Source. docs/decisions/0033-diagnosis.md; what it finds and misses:
// docs/measurements/diagnose.md.
// Fails. A fault that leaves no trace in these metrics; several faults at once; a baseline that has
// the fault in it.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/diagnose/component_scores.h"
#include "agent/diagnose/log_sites.h"
#include "agent/diagnose/rows.h"
#include "agent/diagnose/weighing.h"

namespace outrider::diagnose {

struct Symptom {
  std::size_t component = 0;
  std::string metric;
};

// Everything is by component: index i everywhere is components[i].
struct Question {
  std::vector<std::string> components;
  Side metrics;
  Side baseline;  // Empty, or one a component; without rows: the metrics before the search window.
  CallGraph graph;  // One a component, too.
  bool has_graph = false;
  std::vector<std::vector<LogCount>> logs;  // Empty, or one a component.
  std::vector<std::string> log_sites;       // Their names.
  std::vector<double> log_times;            // Every time at which any component has a count.
  std::vector<Change> changes;
  std::optional<Symptom> symptom;
  double at = 0, window = 0;  // Unix seconds, seconds.
  bool of_files = true;       // Whether what is lacking is named by its option of the command.
};

struct Cause {
  std::size_t component = 0;
  // cpu, memory, network, code, latency, errors, load, gpu, restarts; of a model drift, concept,
  // data quality, upstream; unknown without evidence.
  std::string kind;
  double probability = 0;
  double score = 0;
  std::optional<double> onset;  // Unix seconds; nothing without evidence.
  std::vector<std::string> evidence;
};

struct Diagnosis {
  bool named = false;                 // Else: insufficient evidence.
  double p = 1;                       // How often calm times look as bad.
  std::vector<Cause> causes;          // All components, the likeliest first.
  std::optional<std::size_t> blamed;  // Among the question's changes.
  std::string reason;                 // Why it is named, or what would decide.
};

Diagnosis diagnose(const Question& question);

}  // namespace outrider::diagnose
