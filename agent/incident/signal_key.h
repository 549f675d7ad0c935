// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which alerts are one signal: those that agree on every label but severity, those that only tell
// replicas apart (pod, instance, replica, …) and those that say who answers (owner, team). PURE.
//
// A signal of pods whose machines are known can be told in parts, one a machine: where each of them
// runs on a machine that alerts itself, a part belongs to its machine (grouping.h).

#include <string>
#include <string_view>

#include "base/core/series.h"

namespace outrider::incident {

// The labels that tell replicas of one thing apart; they are no part of an incident's identity.
bool is_replica_label(std::string_view name);

// The labels that all alerts of a signal share, and those of them by which it is known, as text.
Labels stable_labels(const Labels& labels);
std::string incident_key(const Labels& stable);

// The machine of the part that an alert belongs to, and the key of that part where it stands by
// itself. "" where no pod, no machine or a model is named: such a signal has no parts.
std::string part_of(const Labels& labels);
std::string part_key(const Labels& labels);

}  // namespace outrider::incident
