// SPDX-License-Identifier: Apache-2.0
#pragma once

// What `outrider diagnose` says: one JSON object, or a few lines for a person. PURE.

#include <string>
#include <vector>

#include "agent/diagnose/diagnosis.h"
#include "base/wire/json.h"
#include "cli/diagnose/inputs.h"

namespace outrider::cli {

// {"verdict", "p", "reason", "causes": [{"component", "kind", "probability", "score", "onset",
// "evidence"}, …], "change"}. `told`: the question's changes, in its order.
wire::Json diagnosis_json(const diagnose::Question& question, const diagnose::Diagnosis& diagnosis,
                          const std::vector<ToldChange>& told);
std::string diagnosis_text(const diagnose::Question& question,
                           const diagnose::Diagnosis& diagnosis);

}  // namespace outrider::cli
