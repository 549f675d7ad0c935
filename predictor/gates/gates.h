// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a new version must show before it becomes production. PURE: everything that is judged comes
// in, a verdict a gate comes out, and a refusal says which gate and by how much.
//
//   better    accuracy on the same newest held-out rows beats production's by `margin`. When
//   production
//             itself is within `margin` of perfect, half the remaining error is asked for.
//   segments  in no segment is the error rate above production's by more than `segment_bound`. A
//   segment
//             with few rows is refused only on evidence: the 95 % lower bound of the paired
//             difference must exceed the bound.
//   fairness  for each group against the privileged one (or the largest): statistical parity
//   difference
//             within ±spd_bound, disparate impact ratio within [dir_low, dir_high]. The favourable
//             outcome is class 1; of a regression, a prediction within the tolerance.
//             Bounds: SPD ±0.1 and DIR 0.8-1.2, as in use (IBM AIF360, TrustyAI).
//   latency   the 99th percentile of one prediction.
//
// A first version has nothing to beat: `better` and `segments` pass and say so.

#include <optional>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "predictor/evaluate/evaluation.h"

namespace outrider::config {
class OptionTable;
}

namespace outrider::gates {

struct Bounds {
  double margin = 0.005;        // Of accuracy, 0 to 1.
  double segment_bound = 0.05;  // Of error rate.
  double spd_bound = 0.1;
  double dir_low = 0.8, dir_high = 1.2;
  Duration latency_max = std::chrono::milliseconds(1);
  std::size_t rows_min = 20;  // A segment, group or hold-out with fewer rows is not judged.

  void add_to(config::OptionTable& options);  // gate.*
};

struct Evidence {
  const evaluate::Outcomes& candidate;
  const evaluate::Outcomes* production = nullptr;  // On the same rows; null: there is none.
  std::string production_version = {};
  evaluate::Segments segments = {};
  evaluate::Segments groups = {};     // Of the fairness column: "M" -> rows. Empty: not judged.
  std::string privileged_group = {};  // Empty: the largest group.
  std::optional<double> latency_seconds = {};
};

struct Verdict {
  std::string gate;
  bool passed = true;
  std::string message;  // For people: the figures, and on refusal by how much.
};

struct Judgement {
  std::vector<Verdict> verdicts;
  bool passed() const;
  std::string refusal() const;  // The messages of the gates that refused, joined by "; ".
};

Judgement judge(const Evidence& evidence, const Bounds& bounds);

}  // namespace outrider::gates
