// SPDX-License-Identifier: Apache-2.0
#pragma once

// The commands of outrider-predictor: options in, rooms wired, result on the terminal.

#include "base/config/program.h"

namespace outrider::app {

config::Command train_command();
config::Command serve_command();
config::Command models_command();

}  // namespace outrider::app
