// SPDX-License-Identifier: Apache-2.0
#pragma once

// `outrider export`: predictions with their truth, of a stretch of time, out of a sidecar's log or
// an agent's, as CSV or NDJSON. Exit status: 0 all of it, 1 stopped (the same call goes on), 2
// wrongly called.

#include "base/config/program.h"

namespace outrider::cli {

config::Command export_command();

}  // namespace outrider::cli
