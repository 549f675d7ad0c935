// SPDX-License-Identifier: Apache-2.0
#include "cli/backtest/progress.h"

#include <unistd.h>

#include <iostream>

namespace outrider::cli {

ProgressLine::ProgressLine(std::string unit, bool always)
    : unit_(std::move(unit)), always_(always), terminal_(isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() {
  if (shown_) std::cerr << "\r\033[K";
}

void ProgressLine::show(std::size_t done, std::size_t of) {
  if (terminal_) {
    std::cerr << "\r\033[K" << done << " of " << of << " " << unit_ << std::flush;
    shown_ = true;
    return;
  }
  const std::size_t tenth = of > 0 ? 10 * done / of : 0;
  if (!always_ || tenth <= tenth_) return;
  tenth_ = tenth;
  std::cerr << done << " of " << of << " " << unit_ << "\n";
}

}  // namespace outrider::cli
