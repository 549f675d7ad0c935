// SPDX-License-Identifier: Apache-2.0
#include "agent/forecast/forecast_board.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "detectors/forecast/forecaster.h"

namespace outrider::forecast {
namespace {

constexpr double rate = 0.05;  // Of the width's steps: some twenty misses double it.
constexpr double width_min = 0.25, width_max = 8;
constexpr float gap = std::numeric_limits<float>::quiet_NaN();

}  // namespace

std::int64_t ForecastBoard::slot_of(Time at) const {
  return at.time_since_epoch() / rules_.step;
}

std::size_t ForecastBoard::slots_ahead(const SeriesRule& rule) const {
  return static_cast<std::size_t>(rule.horizons.back() / rules_.step +
                                  settings_.refit_every / rules_.step + 1);
}

bool ForecastBoard::put(std::size_t rule, const Labels& labels, Time at, double value) {
  const std::int64_t slot = slot_of(at);
  auto place = series_.find({rule, labels});
  if (place == series_.end()) {
    if (!std::isfinite(value)) return false;
    if (series_.size() >= settings_.series_max) {
      ++turned_away_;
      return false;
    }
    place = series_.emplace(Key{rule, labels}, Tracked{}).first;
    place->second.first_slot = slot;
    place->second.lowest = static_cast<float>(value);
    place->second.horizons.resize(rules_.series[rule].horizons.size());
  }
  Tracked& tracked = place->second;
  if (slot < tracked.first_slot) return false;
  const auto slots = static_cast<std::int64_t>(rules_.history / rules_.step);
  // What lies further ahead than a whole history starts anew.
  if (slot >= tracked.past_slot() + slots) {
    tracked.values.clear();
    tracked.first_slot = slot;
    tracked.fitted_slot = -1;
  }
  while (tracked.past_slot() <= slot) tracked.values.push_back(gap);
  float& kept = tracked.values[static_cast<std::size_t>(slot - tracked.first_slot)];
  kept = std::isfinite(value) ? static_cast<float>(value) : gap;
  if (std::isfinite(value)) tracked.lowest = std::min(tracked.lowest, kept);
  // A quarter more than the history is kept, so that not every slot moves all of them.
  const auto many = static_cast<std::int64_t>(tracked.values.size()) - slots;
  if (many > slots / 4) {
    tracked.values.erase(tracked.values.begin(), tracked.values.begin() + many);
    tracked.first_slot += many;
  }
  return true;
}

void ForecastBoard::put_limit(std::size_t rule, const Labels& labels, double limit) {
  const auto place = series_.find({rule, labels});
  if (place == series_.end() || !std::isfinite(limit)) return;
  place->second.limit = limit;
}

void ForecastBoard::settle(Tracked& tracked, std::int64_t now_slot) const {
  for (Horizon& horizon : tracked.horizons) {
    while (!horizon.issued.empty() && horizon.issued.front().slot < now_slot) {
      const Issued said = horizon.issued.front();
      horizon.issued.pop_front();
      const std::int64_t at = said.slot - tracked.first_slot;
      if (at < 0 || at >= static_cast<std::int64_t>(tracked.values.size())) continue;
      const float truth = tracked.values[static_cast<std::size_t>(at)];
      if (!std::isfinite(truth)) continue;
      const bool inside = truth >= said.low && truth <= said.high;
      ++horizon.checked;
      horizon.inside += inside ? 1 : 0;
      const double outside = inside ? 0 : 1;
      horizon.width = std::clamp(horizon.width * std::exp(rate * (outside - (1 - interval_level))),
                                 width_min, width_max);
    }
  }
}

void ForecastBoard::refit(const SeriesRule& rule, Tracked& tracked, std::int64_t now_slot) const {
  const auto step_ms = to_unix_ms(Time{rules_.step});
  // The slot at hand is not over, so it is not learned from.
  const auto known = static_cast<std::size_t>(std::clamp<std::int64_t>(
      now_slot - tracked.first_slot, 0, static_cast<std::int64_t>(tracked.values.size())));
  std::vector<std::int64_t> times;
  std::vector<double> values;
  for (std::size_t i = 0; i < known; ++i) {
    if (!std::isfinite(tracked.values[i])) continue;
    times.push_back((tracked.first_slot + static_cast<std::int64_t>(i)) * step_ms);
    values.push_back(static_cast<double>(tracked.values[i]));
  }
  const auto history = detectors::forecast::on_grid(times, values);
  if (!history) {
    tracked.trouble = history.error().message;
    return;
  }
  const std::int64_t last = history->end_ms() / step_ms - 1;
  detectors::forecast::Settings settings;
  settings.horizon = slots_ahead(rule) + static_cast<std::size_t>(now_slot - 1 - last);
  settings.levels = {interval_level};
  if (history->step_ms != step_ms || settings.horizon > detectors::forecast::horizon_max) {
    tracked.trouble = "too many steps have no value";
    return;
  }
  const auto forecast = detectors::forecast::forecast(*history, settings);
  const auto& band = forecast.bands.front();
  const auto narrow = [](const std::vector<double>& from, const auto& less) {
    std::vector<float> result(from.size());
    for (std::size_t i = 0; i < from.size(); ++i) result[i] = static_cast<float>(from[i] - less(i));
    return result;
  };
  tracked.middle = narrow(forecast.values, [](std::size_t) { return 0.0; });
  tracked.below = narrow(forecast.values, [&](std::size_t i) { return band.lower[i]; });
  tracked.above = narrow(band.upper, [&](std::size_t i) { return forecast.values[i]; });
  tracked.notes = forecast.notes;
  tracked.trouble.clear();
  tracked.fitted_slot = last;
}

std::optional<HorizonForecast> ForecastBoard::at(const Tracked& tracked, std::int64_t slot,
                                                 double width) const {
  if (tracked.fitted_slot < 0) return std::nullopt;
  const std::int64_t place = slot - tracked.fitted_slot - 1;
  if (place < 0 || place >= static_cast<std::int64_t>(tracked.middle.size())) return std::nullopt;
  const auto i = static_cast<std::size_t>(place);
  HorizonForecast result;
  result.middle = static_cast<double>(tracked.middle[i]);
  result.low = result.middle - width * static_cast<double>(tracked.below[i]);
  result.high = result.middle + width * static_cast<double>(tracked.above[i]);
  if (tracked.lowest >= 0) result.low = std::max(result.low, 0.0);
  return result;
}

// Between two horizons the width of the nearer one above counts.
double ForecastBoard::width_at(const SeriesRule& rule, const Tracked& tracked,
                               std::int64_t slots) const {
  for (std::size_t i = 0; i < rule.horizons.size(); ++i) {
    if (slots <= rule.horizons[i] / rules_.step) return tracked.horizons[i].width;
  }
  return tracked.horizons.back().width;
}

void ForecastBoard::issue(const SeriesRule& rule, Tracked& tracked, std::int64_t now_slot) const {
  for (std::size_t i = 0; i < rule.horizons.size(); ++i) {
    Horizon& horizon = tracked.horizons[i];
    const std::int64_t slot = now_slot + rule.horizons[i] / rules_.step;
    if (!horizon.issued.empty() && horizon.issued.back().slot >= slot) continue;
    if (const auto said = at(tracked, slot, horizon.width))
      horizon.issued.push_back(
          {slot, static_cast<float>(said->low), static_cast<float>(said->high)});
  }
}

void ForecastBoard::advance(Time now) {
  const std::int64_t now_slot = slot_of(now);
  const std::int64_t idle = settings_.idle_after / rules_.step;
  std::erase_if(series_,
                [&](const auto& series) { return series.second.past_slot() + idle < now_slot; });
  const std::int64_t refit_slots = std::max<std::int64_t>(settings_.refit_every / rules_.step, 1);
  for (auto& [key, tracked] : series_) {
    const SeriesRule& rule = rules_.series[key.first];
    settle(tracked, now_slot);
    const bool is_due =
        tracked.fitted_slot < 0 || now_slot - 1 - tracked.fitted_slot >= refit_slots;
    if (is_due && tracked.tried_slot != now_slot) {
      tracked.tried_slot = now_slot;
      refit(rule, tracked, now_slot);
    }
    issue(rule, tracked, now_slot);
  }
}

std::map<ForecastBoard::Key, ForecastBoard::Entry> ForecastBoard::entries(Time now) const {
  const std::int64_t now_slot = slot_of(now);
  std::map<Key, Entry> result;
  for (const auto& [key, tracked] : series_) {
    const SeriesRule& rule = rules_.series[key.first];
    Entry& entry = result[key];
    entry.notes = tracked.notes;
    entry.trouble = tracked.trouble;
    for (std::size_t i = 0; i < rule.horizons.size(); ++i) {
      const Horizon& horizon = tracked.horizons[i];
      auto said = at(tracked, now_slot + rule.horizons[i] / rules_.step, horizon.width);
      if (!said) continue;
      said->horizon = rule.horizons[i];
      said->checked = horizon.checked;
      said->inside = horizon.inside;
      entry.horizons.push_back(*said);
    }
    if (!tracked.limit) continue;
    TimeToLimit to_limit{.limit = *tracked.limit};
    const std::int64_t farthest = rule.horizons.back() / rules_.step;
    for (std::int64_t slots = 0; slots <= farthest; ++slots) {
      const auto said = at(tracked, now_slot + slots, width_at(rule, tracked, slots));
      if (!said) continue;
      const Duration then = slots * rules_.step;
      if (!to_limit.earliest && said->high >= *tracked.limit) to_limit.earliest = then;
      if (!to_limit.expected && said->middle >= *tracked.limit) to_limit.expected = then;
      if (!to_limit.latest && said->low >= *tracked.limit) to_limit.latest = then;
    }
    if (!entry.horizons.empty()) entry.to_limit = to_limit;
  }
  return result;
}

std::optional<Course> ForecastBoard::course(std::size_t rule, const Labels& labels,
                                            Time now) const {
  const auto place = series_.find({rule, labels});
  if (place == series_.end()) return std::nullopt;
  const std::int64_t now_slot = slot_of(now);
  const SeriesRule& series_rule = rules_.series[rule];
  Course course{.first = Time{(now_slot + 1) * rules_.step}, .step = rules_.step};
  const std::int64_t farthest = series_rule.horizons.back() / rules_.step;
  for (std::int64_t slots = 1; slots <= farthest; ++slots) {
    const auto said =
        at(place->second, now_slot + slots, width_at(series_rule, place->second, slots));
    if (!said) break;
    course.low.push_back(said->low);
    course.middle.push_back(said->middle);
    course.high.push_back(said->high);
  }
  if (course.middle.empty()) return std::nullopt;
  return course;
}

std::vector<double> ForecastBoard::past(std::size_t rule, const Labels& labels, Time now,
                                        std::size_t slots) const {
  std::vector<double> values(slots, std::numeric_limits<double>::quiet_NaN());
  const auto place = series_.find({rule, labels});
  if (place == series_.end()) return values;
  const Tracked& tracked = place->second;
  const std::int64_t first = slot_of(now) + 1 - static_cast<std::int64_t>(slots);
  for (std::size_t i = 0; i < slots; ++i) {
    const std::int64_t at = first + static_cast<std::int64_t>(i) - tracked.first_slot;
    if (at >= 0 && at < static_cast<std::int64_t>(tracked.values.size()))
      values[i] = static_cast<double>(tracked.values[static_cast<std::size_t>(at)]);
  }
  return values;
}

}  // namespace outrider::forecast
