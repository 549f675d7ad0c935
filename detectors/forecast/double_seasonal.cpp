// SPDX-License-Identifier: Apache-2.0
#include "detectors/forecast/double_seasonal.h"

#include <algorithm>
#include <cmath>

namespace outrider::detectors::forecast {
namespace {

constexpr double half_life_days = 14;

struct Mean {
  double sum = 0;
  double count = 0;
  void add(double value) { sum += value, count += 1; }
  double value() const { return count > 0 ? sum / count : 0; }
};

}  // namespace

DoubleSeasonal::DoubleSeasonal(const Filled& series, const Seasons& seasons)
    : series_(series), seasons_(seasons) {
  // The first serves where nothing was compared yet.
  for (const double level : {0.05, 0.002}) {
    for (const double carry : {0.9, 0.5}) {
      for (const double day : {0.1, 0.3}) {
        for (const double week : {0.05, 0.4}) {
          if (seasons.week == 0 && week > 0.05) continue;
          states_.push_back({{level, carry, day, seasons.week > 0 ? week : 0}, 0, 0, 0, {}, {}});
        }
      }
    }
  }
}

double DoubleSeasonal::shape(const State& state, std::size_t slot) {
  return state.level + state.day[slot % state.day.size()] + state.week[slot % state.week.size()];
}

void DoubleSeasonal::begin(std::size_t end) {
  Mean level;
  for (std::size_t t = 0; t < end; ++t) {
    if (series_.known[t]) level.add(series_.values[t]);
  }
  std::vector<Mean> days(seasons_.day), weeks(std::max<std::size_t>(1, seasons_.week));
  for (std::size_t t = 0; t < end; ++t) {
    if (series_.known[t]) days[t % days.size()].add(series_.values[t] - level.value());
  }
  for (std::size_t t = 0; seasons_.week > 0 && t < end; ++t) {
    if (!series_.known[t]) continue;
    weeks[t % weeks.size()].add(series_.values[t] - level.value() - days[t % days.size()].value());
  }
  for (State& state : states_) {
    state.level = level.value();
    for (const Mean& mean : days) state.day.push_back(mean.value());
    for (const Mean& mean : weeks) state.week.push_back(mean.value());
  }
}

void DoubleSeasonal::take(State& state, std::size_t slot) const {
  const double carried = state.gains.carry * state.left;
  if (!series_.known[slot]) {
    state.left = carried;
    return;
  }
  const double left = series_.values[slot] - shape(state, slot);
  const double error = left - carried;
  const double forget = std::exp2(-1 / (half_life_days * static_cast<double>(seasons_.day)));
  state.error = forget * state.error + std::fabs(error);
  state.level += state.gains.level * error;
  state.day[slot % state.day.size()] += state.gains.day * error;
  state.week[slot % state.week.size()] += state.gains.week * error;
  state.left = left;
}

void DoubleSeasonal::learn(std::size_t end) {
  end = std::min(end, series_.values.size());
  if (learned_ == 0 && end > 0) {
    learned_ = std::min(end, 2 * std::max(seasons_.day, seasons_.week));
    begin(learned_);
  }
  for (State& state : states_) {
    for (std::size_t t = learned_; t < end; ++t) take(state, t);
  }
  learned_ = std::max(learned_, end);
}

std::vector<double> DoubleSeasonal::ahead(std::size_t at, std::size_t horizon) const {
  std::vector<double> values(horizon, 0);
  if (learned_ == 0) return values;
  State state = *std::min_element(states_.begin(), states_.end(),
                                  [](const auto& a, const auto& b) { return a.error < b.error; });
  for (std::size_t t = learned_; t < at; ++t) take(state, t);
  double left = state.left;
  for (std::size_t h = 0; h < horizon; ++h) {
    left *= state.gains.carry;
    values[h] = shape(state, at + h) + left;
  }
  return values;
}

}  // namespace outrider::detectors::forecast
