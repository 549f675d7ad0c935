// SPDX-License-Identifier: Apache-2.0
#pragma once

// A reference as text for a terminal: what `outrider inspect` prints. PURE.

#include <string>

#include "reference/model_reference.h"

namespace outrider::reference {

// A head (model, rows, error rate, hash), then for each subject its kind, range and one bar a bin.
std::string describe(const ModelReference& reference, std::size_t width = 100);

}  // namespace outrider::reference
