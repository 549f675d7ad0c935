// SPDX-License-Identifier: Apache-2.0
#include "predictor/app/commands.h"

int main(int argc, char** argv) {
  using namespace outrider;
  return config::run_program(
      "outrider-predictor", "Trains, keeps and serves models; retrains when asked to.",
      {app::serve_command(), app::train_command(), app::models_command()}, argc, argv);
}
