// SPDX-License-Identifier: Apache-2.0
// outrider: what a person or a job asks of sidecars and agents.

#include "base/config/program.h"
#include "cli/compare_command.h"
#include "cli/forecast_command.h"
#include "cli/import_command.h"

int main(int argc, char** argv) {
  using namespace outrider;
  return config::run_program(
      "outrider", "Asks sidecars and agents, and tells them the truth.",
      {cli::labels_import_command(), cli::compare_command(), cli::forecast_command()}, argc, argv);
}
