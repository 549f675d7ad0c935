// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which series are watched, and as what. PURE; immutable, thread-safe. The first rule that matches
// decides; a series that no rule matches is not watched.
//
//   counter    its increase a second; a reset is no decrease
//   gauge      as it is
//   histogram  the quantiles of what its buckets (…_bucket, le) counted since the sample before
//   automatic  by what the sender says of the metric, or else by its name: …_total, …_count, …_sum are
//              counters, …_bucket with le a histogram, …_created and …_info are left alone, the
//              rest gauges
//
// The agent's own scores and figures are never watched: a score of a score would feed on itself.

#include <optional>
#include <span>
#include <vector>

#include "agent/series/selector.h"
#include "agent/series/series_sink.h"

namespace outrider::series {

enum class As : std::uint8_t { automatic, gauge, counter, histogram, ignore };

struct WatchRule {
  Selector match;
  As as = As::automatic;
};

struct WatchRules {
  static constexpr std::size_t rules_max = 1'000;
  std::vector<WatchRule> rules;
  std::vector<double> quantiles = {0.5, 0.99};

  // Everything, automatically: what is done without a file.
  static WatchRules everything();

  // How to watch a series: gauge, counter, histogram, or ignore.
  As judge(std::span<const LabelView> labels, MetricKind kind) const;
};

bool is_own_metric(std::string_view metric);

}  // namespace outrider::series
