// SPDX-License-Identifier: Apache-2.0
#pragma once

// Seasonal naive: what was a season ago comes again. Without a season, the latest value stays.
//
// Cost. O(horizon). Source. Hyndman & Athanasopoulos, Forecasting: Principles and Practice, chapter
// 5.2.
// Fails. After a change of level it is wrong for a season; it repeats noise.
//
// PURE.

#include "detectors/forecast/method.h"

namespace outrider::detectors::forecast {

class SeasonalNaive : public Method {
 public:
  SeasonalNaive(const Filled& series, std::size_t season, std::string_view name)
      : series_(series), season_(season > 0 ? season : 1), name_(name) {}

  std::string_view name() const override { return name_; }
  void learn(std::size_t) override {}
  std::vector<double> ahead(std::size_t at, std::size_t horizon) const override;

 private:
  const Filled& series_;
  std::size_t season_;
  std::string_view name_;
};

}  // namespace outrider::detectors::forecast
