// SPDX-License-Identifier: Apache-2.0
#pragma once

// `outrider compare`: is it worse since the change? Files of CSV with a unit (a pod) and a value a
// row, before and after, and of units that did not change. The verdict is that of
// detectors/unit_comparison.h. Exit status: 0 a verdict (whichever), 1 a file that cannot be read,
// 2 wrongly called.

#include "base/config/program.h"

namespace outrider::cli {

config::Command compare_command();

}  // namespace outrider::cli
