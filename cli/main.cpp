// SPDX-License-Identifier: Apache-2.0
// outrider: what a person or a job types. It asks sidecars and agents, tells them the truth, and
// judges files.

#include "base/config/program.h"
#include "cli/commands.h"
#include "cli/compare_command.h"
#include "cli/diagnose_command.h"
#include "cli/export_command.h"
#include "cli/forecast_command.h"
#include "cli/import_command.h"
#include "cli/right_size_command.h"

int main(int argc, char** argv) {
  using namespace outrider;
  return config::run_program(
      "outrider", "Asks sidecars and agents, tells them the truth, and judges files.",
      {cli::labels_import_command(), cli::export_command(), cli::profile_command(),
       cli::inspect_command(), cli::backtest_command(), cli::compare_command(),
       cli::diagnose_command(), cli::forecast_command(), cli::right_size_command(),
       cli::inject_command()},
      argc, argv);
}
