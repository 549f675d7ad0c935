// SPDX-License-Identifier: Apache-2.0
#pragma once

// The file that says which series are watched (--series.rules). PURE.
//
//   quantiles: [0.5, 0.99]            # of every histogram that is watched
//   watch:                            # the first that matches decides; what none matches is not watched
//     - {match: 'up', as: ignore}
//     - {match: '{__name__=~"http_.+", job="shop"}'}             # automatic
//     - {match: 'queue_length', as: gauge}                       # gauge | counter | histogram | ignore

#include <string>

#include "agent/series/watch_rules.h"
#include "base/core/result.h"

namespace outrider::watch {

// Error "bad_config": every mistake with its line, one a line.
Result<series::WatchRules> parse_rules(const std::string& file, const std::string& text);

}  // namespace outrider::watch
