// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which logging sites of a component say more, or less, than usual. PURE. A site is a template, or
// a level where no template is known; only counts are needed, no text.
//
// Idea. A site's lines are compared with the component's other lines in the same two rows, so that
//   more load is no finding, and with what two rows had before, so that no site is said to fall
//   silent where another one grew. The change is |ln((lines + 1) / (expected + 1))| less three
//   standard errors of that logarithm. Expected are as many as the mean before the search window
//   says, or, with ten rows, what one earlier row in ten reached: sites come in bursts. A site that
//   fell silent says as much as a new one.
// Calm. What was said of the earlier rows by the same measure tells how much a finding is worth.
// Cost. O(lines of the table + rows of all calm windows x sites).
// Fails. A component that stops logging altogether has no other lines to compare with.

#include <cstdint>
#include <utility>
#include <vector>

namespace outrider::diagnose {

constexpr double log_standard_errors = 3;

struct LogCount {
  double time = 0;         // Unix seconds.
  std::uint32_t site = 0;  // Among the names of all sites.
  double lines = 0;
};

struct LogChange {
  double excess = 0;  // ln of a ratio, 0 or more.
  std::uint32_t site = 0;
  double lines = 0, expected = 0;  // In the two rows that say most.
  double time = 0;                 // Of the one in which it began.
};
struct LogChanges {
  LogChange more, fewer;
  // The excesses of each calm window, 0 where it has no rows.
  std::vector<double> calm_more = {}, calm_fewer = {};
};

// The rows of a table of counts: all components' together, since a component is silent in a row
// where it has no count.
struct LogRows {
  std::vector<double> before, now;                   // Times, ascending, each once.
  std::vector<std::pair<double, double>> calm = {};  // From, to: windows of `before`.
};

// Of one component; `counts` in any order.
LogChanges log_changes(const std::vector<LogCount>& counts, const LogRows& rows);

}  // namespace outrider::diagnose
