// SPDX-License-Identifier: Apache-2.0
#pragma once

// Pictures of a backtest: what would have fired, and where. PURE.

#include <string>
#include <vector>

#include "cli/backtest/series_table.h"

namespace outrider::cli {

inline constexpr std::size_t plots_max = 50;  // Series in one picture; the rest is counted in it.

// One panel a series, its anomalies marked. Long series are drawn by the least and greatest value
// of each column of pixels, so that no spike is lost and the file stays small.
std::string svg(const std::vector<const ScoredSeries*>& series, double threshold);

// Two lines of `columns` characters: the course in eight heights, and a mark under each anomaly.
std::string terminal_plot(const ScoredSeries& series, double threshold, std::size_t columns);

}  // namespace outrider::cli
