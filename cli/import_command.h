// SPDX-License-Identifier: Apache-2.0
#pragma once

// `outrider labels import`: the truth from a warehouse's table, as CSV or NDJSON of any size, to a
// sidecar or an agent. Exit status: 0 all rows decided, 1 stopped (the state says where; call it
// again), 2 wrongly called, 3 some rows invalid or no label found its prediction.

#include "base/config/program.h"

namespace outrider::cli {

config::Command labels_import_command();

}  // namespace outrider::cli
