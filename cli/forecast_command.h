// SPDX-License-Identifier: Apache-2.0
#pragma once

// `outrider forecast`: what comes next? A CSV of time and value in, the rows that go on from it
// out, with intervals; a folder of them, file by file; or a query's series from Prometheus. The
// method is that of detectors/forecast/forecaster.h. Notes on what the forecast rests on go to
// stderr. Exit status: 0 all is forecast, 1 a file that is not (the others are), 2 wrongly called.

#include "base/config/program.h"

namespace outrider::cli {

config::Command forecast_command();

}  // namespace outrider::cli
