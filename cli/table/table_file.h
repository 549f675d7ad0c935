// SPDX-License-Identifier: Apache-2.0
#pragma once

// Files of the commands: a table read in pieces, and a progress bar on a terminal. SHELL.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "reference/table.h"

namespace outrider::cli {

// A bar on standard error while something long goes on; nothing where that is no terminal.
class ProgressBar {
 public:
  explicit ProgressBar(std::string title);
  ~ProgressBar();  // Leaves a clean line.
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  void show(double share);  // In [0, 1].

 private:
  std::string title_;
  bool terminal_;
  int percent_ = -1;
};

// The names of a table's columns. Errors: "cannot_read", and those of TableReader.
Result<std::vector<std::string>> read_columns(const std::string& path);

// Visits every row; `on_share` is told how much of the file is read, in [0, 1]. Errors as above,
// with the path.
Result<void> visit_table(const std::string& path, const reference::TableReader::Visit& visit,
                         const std::function<void(double share)>& on_share = {});

}  // namespace outrider::cli
