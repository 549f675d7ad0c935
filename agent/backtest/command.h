// SPDX-License-Identifier: Apache-2.0
#pragma once

// `outrider-agent backtest`: what would have fired last month? Over CSV files, or over a range of a
// live Prometheus.

#include "base/config/program.h"

namespace outrider::backtest {

config::Command command();

}  // namespace outrider::backtest
