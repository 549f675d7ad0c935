// SPDX-License-Identifier: Apache-2.0
#pragma once

// `outrider diagnose`: which component is the root cause of an incident, from a folder of metrics
// and what else there is. The method is that of agent/diagnose. Exit status: 0 a verdict
// (whichever), 1 a file that cannot be read, 2 wrongly called.

#include "base/config/program.h"

namespace outrider::cli {

config::Command diagnose_command();

}  // namespace outrider::cli
