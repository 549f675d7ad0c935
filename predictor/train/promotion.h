// SPDX-License-Identifier: Apache-2.0
#pragma once

// From a trained model to a stored version, and from a stored version to production. SHELL: it
// reads and writes the registry; the judging is gates/.
//
// A version keeps its held-out rows (the newest, at most held_out_rows_kept) in holdout.csv, so
// that its gates can be judged at any time and against whatever is production then.

#include <string>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "predictor/gates/gates.h"
#include "predictor/registry/registry.h"
#include "predictor/train/card.h"

namespace outrider::train {

constexpr std::size_t held_out_rows_kept = 10'000;

struct NewVersion {
  const Dataset& dataset;
  const Settings& settings;
  const Trained& trained;
  std::string original = {};  // The CSV file of the first rows, as retraining will find it.
  std::string strategy = "all rows";
  Trigger trigger = {};
};

// Stores it and answers its name. Throws std::runtime_error when the disk refuses,
// std::runtime_error when no reference can be made.
std::string store_version(registry::Registry& registry, const NewVersion& version, Time now);

Result<model::Model> load_model(const registry::Registry& registry, std::string_view version);

// What the gates say of `version` against what is production now. Errors: those of reading.
struct Trial {
  std::string version;
  std::string against;  // "" when there is no production version.
  gates::Judgement judgement;
};
Result<Trial> judge_version(const registry::Registry& registry, std::string_view version,
                            const gates::Bounds& bounds);

// Judges, and promotes when the gates pass or `force` is set; otherwise error "gate_refused" with
// the gates' words, and the version becomes the candidate.
Result<Trial> promote_version(registry::Registry& registry, std::string_view version,
                              const gates::Bounds& bounds, bool force, const std::string& reason);

}  // namespace outrider::train
