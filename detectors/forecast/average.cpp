// SPDX-License-Identifier: Apache-2.0
#include "detectors/forecast/average.h"

#include <algorithm>
#include <cmath>

#include "detectors/forecast/double_seasonal.h"
#include "detectors/forecast/ridge_autoregression.h"
#include "detectors/forecast/seasonal_naive.h"

namespace outrider::detectors::forecast {
namespace {

constexpr std::size_t origins_max = 21;
constexpr std::size_t aligned_min = 5;  // Fewer, and the newest days count more than the hour.
constexpr double power = 2;
constexpr std::size_t rows_a_lag = 2;  // Fewer, and a fit is chance.
constexpr double error_floor =
    1e-9;  // Of the series' size: a method without errors has weight, not all of it.

// Lags as multiples of the seasons, each with its neighbours `around`.
struct LagPlan {
  std::size_t recent = 0;           // 1 to this.
  std::vector<std::size_t> exact;   // These, ...
  std::vector<std::size_t> around;  // ... and these with one before and one behind.
};

// Those that leave enough rows to learn from.
std::vector<std::size_t> lags_of(const LagPlan& plan, std::size_t difference, std::size_t rows) {
  std::vector<std::size_t> lags;
  for (std::size_t i = 1; i <= plan.recent; ++i) lags.push_back(i);
  for (const std::size_t lag : plan.exact) lags.push_back(lag);
  for (const std::size_t lag : plan.around) {
    if (lag > 1) lags.insert(lags.end(), {lag - 1, lag, lag + 1});
  }
  std::sort(lags.begin(), lags.end());
  lags.erase(std::unique(lags.begin(), lags.end()), lags.end());
  lags.erase(lags.begin(),
             std::find_if(lags.begin(), lags.end(), [](auto lag) { return lag > 0; }));
  while (!lags.empty() && difference + lags.back() + rows_a_lag * lags.size() + 8 > rows) {
    lags.pop_back();
  }
  return lags;
}

double error_of(const Filled& series, const Origins& origins,
                const std::vector<std::vector<double>>& tried) {
  double sum = 0, count = 0;
  for (std::size_t o = 0; o < origins.at.size(); ++o) {
    for (std::size_t h = 0; h < origins.horizon; ++h) {
      const std::size_t slot = origins.at[o] + h;
      if (!series.known[slot]) continue;
      sum += std::fabs(series.values[slot] - tried[o][h]);
      count += 1;
    }
  }
  return count > 0 ? sum / count : 0;
}

std::vector<double> weights_of(const std::vector<double>& errors, double size) {
  const double least = std::max(error_floor * size, 1e-300);
  double best = 1e300;
  for (const double error : errors) best = std::min(best, std::max(error, least));
  std::vector<double> weights;
  double sum = 0;
  for (const double error : errors) {
    weights.push_back(std::pow(best / std::max(error, least), power));
    sum += weights.back();
  }
  for (double& weight : weights) weight /= sum;
  return weights;
}

void add_to(std::vector<double>& sum, const std::vector<double>& values, double weight) {
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += weight * values[i];
}

}  // namespace

Methods methods_for(const Filled& series, const Seasons& seasons, std::size_t rows) {
  const std::size_t d = seasons.day;
  const std::size_t w = seasons.week;
  LagPlan sparse{3, {}, {}}, weekly{2, {}, {}}, dense{d > 0 ? d + 1 : 6, {}, {}};
  if (d > 0) {
    sparse.around = {d, w};
    sparse.exact = {2 * d, 3 * d, 4 * d, 5 * d, 6 * d};
    dense.exact = sparse.exact;
    dense.around = {w};
    weekly.around = {d, 2 * d, w, w > 0 ? 2 * w : 0};
    weekly.exact = {6 * d, w > 0 ? 8 * d : 0};
  }
  Methods methods;
  methods.push_back(std::make_unique<SeasonalNaive>(series, d, d > 0 ? "seasonal naive" : "naive"));
  if (w > 0) methods.push_back(std::make_unique<SeasonalNaive>(series, w, "weekly naive"));
  if (d > 0) methods.push_back(std::make_unique<DoubleSeasonal>(series, seasons));
  const auto ridge = [&](std::string_view name, const LagPlan& plan, Scale scale,
                         std::size_t difference) {
    RidgeShape shape{name, lags_of(plan, difference, rows), scale, difference};
    if (!shape.lags.empty())
      methods.push_back(std::make_unique<RidgeAutoregression>(series, std::move(shape)));
  };
  ridge("autoregression", sparse, Scale::level, 0);
  ridge("autoregression of steps", weekly, Scale::level, 1);
  ridge("autoregression of steps, dense", dense, Scale::level, 1);
  ridge("autoregression of logarithms", weekly, Scale::logarithm, 0);
  if (d > 0) ridge("autoregression of seasonal differences", sparse, Scale::level, d);
  return methods;
}

Origins origins_for(std::size_t slots, std::size_t horizon, const Seasons& seasons) {
  Origins origins;
  origins.horizon = std::clamp<std::size_t>(slots / 4, 1, horizon);
  const std::size_t first = std::max(slots / 2, seasons.day);
  const std::size_t apart =
      seasons.day > 0 ? seasons.day : std::max<std::size_t>(1, origins.horizon / 4);
  const std::size_t rest = std::max<std::size_t>(first, 1);
  // Of less than a day ahead the errors at today's hour count, not those of the hours before it.
  std::size_t least = origins.horizon;
  if (least < seasons.day && rest + aligned_min * seasons.day <= slots) least = seasons.day;
  for (std::size_t j = 0; j < origins_max; ++j) {
    const std::size_t back = least + j * apart;
    if (back + rest > slots) break;
    origins.at.insert(origins.at.begin(), slots - back);
  }
  return origins;
}

Averaged average(const Filled& series, Methods& methods, const Origins& origins, std::size_t reach,
                 std::size_t horizon) {
  const std::size_t slots = series.values.size();
  std::vector<std::vector<std::vector<double>>> tried(methods.size());
  std::vector<std::vector<double>> ahead;
  std::vector<double> errors;
  double size = 0;
  for (const double value : series.values) size = std::max(size, std::fabs(value));
  for (std::size_t m = 0; m < methods.size(); ++m) {
    for (const std::size_t at : origins.at) {
      methods[m]->learn(at);
      tried[m].push_back(methods[m]->ahead(at, reach));
    }
    methods[m]->learn(slots);
    ahead.push_back(methods[m]->ahead(slots, horizon));
    errors.push_back(error_of(series, origins, tried[m]));
  }
  Averaged result{{}, std::vector<double>(horizon, 0), weights_of(errors, size)};
  result.tried.assign(origins.at.size(), std::vector<double>(reach, 0));
  for (std::size_t m = 0; m < methods.size(); ++m) {
    for (std::size_t o = 0; o < origins.at.size(); ++o)
      add_to(result.tried[o], tried[m][o], result.weights[m]);
    add_to(result.ahead, ahead[m], result.weights[m]);
  }
  return result;
}

}  // namespace outrider::detectors::forecast
