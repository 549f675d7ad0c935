// SPDX-License-Identifier: Apache-2.0
#pragma once

// reference.json of a version: what the sidecar judges live traffic against. PURE.

#include <string>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "predictor/train/dataset.h"
#include "predictor/train/training.h"

namespace outrider::train {

// The features' distributions on the training rows, the predictions', and the error rate, row count
// and design effect of the held-out rows.
Result<std::string> reference_text(const Dataset& dataset, const Trained& trained,
                                   const Settings& settings, const std::string& version,
                                   Time created);

}  // namespace outrider::train
