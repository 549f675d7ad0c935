// SPDX-License-Identifier: Apache-2.0
#pragma once

// Last week, moved to today's level: the shape of the same days a week ago, plus by how much the
// last day stood above the day a week before it.
//
// Cost. O(day + horizon). Example. A Monday that had 100 an hour where last Monday had 80 moves
// last Tuesday up by 20.
// Fails. When the last day was no ordinary one. Without a week's season it does the same with the
// day and its last quarter.
//
// PURE.

#include "detectors/forecast/method.h"

namespace outrider::detectors::forecast {

class MovedWeek : public Method {
 public:
  MovedWeek(const Filled& series, const Seasons& seasons)
      : series_(series),
        season_(seasons.week > 0 ? seasons.week : seasons.day),
        recent_(seasons.week > 0 ? seasons.day : (seasons.day + 3) / 4) {}

  std::string_view name() const override { return "last week at today's level"; }
  void learn(std::size_t) override {}
  std::vector<double> ahead(std::size_t at, std::size_t horizon) const override;

 private:
  const Filled& series_;
  std::size_t season_;
  std::size_t recent_;
};

}  // namespace outrider::detectors::forecast
