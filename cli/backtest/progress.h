// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

namespace outrider::cli {

// How far a run has come, on standard error: a line that overwrites itself on a terminal; elsewhere
// a line each tenth where `always`, else nothing.
class ProgressLine {
 public:
  explicit ProgressLine(std::string unit, bool always = false);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void show(std::size_t done, std::size_t of);

 private:
  const std::string unit_;
  const bool always_;
  const bool terminal_;
  bool shown_ = false;
  std::size_t tenth_ = 0;
};

}  // namespace outrider::cli
