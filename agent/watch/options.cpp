// SPDX-License-Identifier: Apache-2.0
// What a user sets of this room.
#include "base/config/options.h"

#include "agent/watch/series_watch.h"

namespace outrider::watch {

void SeriesWatch::Settings::add_to(config::OptionTable& options) {
  options
      .add("series.alerts-per-week", alerts_a_week,
           "The alert budget: at most so many incidents a week are opened for anomalies of series. "
           "The threshold follows from it.")
      .between(0, 1e6);
  options
      .add("series.max-watched", watched_max,
           "Series watched at once. A new one past it takes the place of one that has been silent "
           "for an hour, or is left out and counted.")
      .between(1, 50'000'000);
  options
      .add("series.max-histograms", histograms_max,
           "Classic histograms whose quantiles are watched; past it they are left out and counted.")
      .between(1, 10'000'000);
  options
      .add("series.quiet", quiet,
           "An anomaly ends when nothing was unusual for so long, or for five samples if longer.")
      .between(1, 86'400);
  options
      .add("series.save-every", save_every,
           "How often what was learnt goes to disk; a kill -9 forgets at most that.")
      .between(1, 86'400);
}

}  // namespace outrider::watch
