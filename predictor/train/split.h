// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which rows train and which are held out. PURE.
//
// By time: rows in time order, the newest `holdout` share held out: what a model will meet. By
// hash: a row (or its split_column's value) falls on one side by its SHA-256, so the same row falls
// on the same side in every version trained from the same data, and copies of a row never fall on
// both.

#include <cstddef>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "predictor/train/dataset.h"
#include "predictor/train/settings.h"

namespace outrider::train {

// Fewer held-out rows than this say nothing: the model then trains on all rows, and its card says
// so.
constexpr std::size_t held_out_rows_min = 20;

struct Split {
  std::vector<std::size_t> training;  // Row indices; in time order when by time.
  std::vector<std::size_t> held_out;
  std::vector<std::string> notes;
};

// Rows without a usable target (or time, when by time) are left out and noted with their lines;
// more than the share rows_drop_max of either is an error.
// Errors: "unknown_column", "bad_time", "bad_target", "ambiguous_numbers" (the target's decimal
// mark cannot be told), "too_many_dropped", "bad_split", "no_rows".
Result<Split> split_rows(const Dataset& dataset, const Settings& settings);

}  // namespace outrider::train
