// SPDX-License-Identifier: Apache-2.0
#pragma once

// Why a cause is named; or why none is, and what would decide: how much more excess, and which
// evidence is missing. PURE.

#include <string>

#include "agent/diagnose/diagnosis.h"
#include "agent/diagnose/effects.h"

namespace outrider::diagnose {

struct Strength {
  double best = 0;            // The highest score of a component.
  double needed = 0;          // What it takes to be named.
  bool with_symptom = false;  // A named symptom was found in the metrics.
};

std::string reason_of(const Question& question, const Timeline& timeline, const Excesses& channels,
                      const Strength& strength, const Diagnosis& diagnosis);

}  // namespace outrider::diagnose
