// SPDX-License-Identifier: Apache-2.0
#include "detectors/forecast/forecaster.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/core/text.h"
#include "detectors/forecast/average.h"
#include "detectors/forecast/clock_shift.h"
#include "detectors/forecast/coarse.h"
#include "detectors/forecast/interval.h"
#include "detectors/forecast/level_shift.h"
#include "detectors/forecast/outliers.h"

namespace outrider::detectors::forecast {
namespace {

constexpr double counter_resets_max = 0.01;  // Of the steps.
constexpr double counter_rises_min = 0.5;
constexpr std::size_t counter_values_min = 20;

// A counter only rises, but for resets to less than half.
bool is_counter(const std::vector<double>& values) {
  std::size_t steps = 0, rises = 0, resets = 0;
  double before = std::numeric_limits<double>::quiet_NaN();
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    if (value < 0) return false;
    if (std::isfinite(before)) {
      ++steps;
      if (value > before) ++rises;
      if (value < before) {
        if (value > before / 2) return false;
        ++resets;
      }
    }
    before = value;
  }
  const auto all = static_cast<double>(steps);
  return steps + 1 >= counter_values_min && static_cast<double>(rises) >= counter_rises_min * all &&
         static_cast<double>(resets) <= counter_resets_max * all;
}

// Increases a slot; after a gap they are spread evenly over it, after a reset they are the new
// value.
std::vector<double> increases(const std::vector<double>& values) {
  std::vector<double> result(values.size(), std::numeric_limits<double>::quiet_NaN());
  std::size_t before = values.size();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) continue;
    if (before < values.size()) {
      const double rise = values[i] >= values[before] ? values[i] - values[before] : values[i];
      for (std::size_t j = before + 1; j <= i; ++j)
        result[j] = rise / static_cast<double>(i - before);
    }
    before = i;
  }
  return result;
}

// From here on `values` is what is forecast: the series, or a counter's increases.
struct Plan {
  const std::vector<double>& values;
  const std::vector<double>& original;
  bool counter = false;
  double floor = -std::numeric_limits<double>::infinity();  // Of values and original.
  std::size_t horizon = 0;
  Seasons seasons;
  double step_ms = 1;
};

std::string days(double slots, double step_ms) {
  return format_double(std::round(slots * step_ms / 8'640'000) / 10) + " days";
}

void note_what_is_short(Forecast& result, const History& history, const Settings& settings,
                        std::size_t tried) {
  const auto slots = static_cast<double>(history.values.size());
  const auto step = static_cast<double>(history.step_ms);
  if (settings.find_seasons && result.seasons.day == 0) {
    result.notes.push_back("no season found in " + days(slots, step) +
                           ": it takes two days to know a day, or three rounds of another rhythm");
  } else if (settings.find_seasons && result.seasons.week == 0 &&
             86'400'000 % history.step_ms == 0 &&
             result.seasons.day == static_cast<std::size_t>(86'400'000 / history.step_ms)) {
    result.notes.push_back("a history of " + days(slots, step) +
                           " holds no two weeks: weekdays and weekends are taken for alike");
  }
  if (tried < settings.horizon) {
    result.notes.push_back("the history allows to test " + std::to_string(tried) + " of " +
                           std::to_string(settings.horizon) +
                           " steps: intervals beyond them are extrapolated");
  }
  std::size_t gap = 0;
  while (gap < history.values.size() &&
         !std::isfinite(history.values[history.values.size() - 1 - gap]))
    ++gap;
  if (gap > 0) {
    result.notes.push_back("the last " + std::to_string(gap) +
                           " rows have no value: the forecast begins behind them");
  }
}

// What the methods work on, and what they are measured by.
struct Prepared {
  std::vector<double> fine;  // All values, at today's level.
  Filled coarse;             // Without outliers and gaps.
  std::size_t block = 1;     // Fine slots a coarse one.
  Seasons seasons;           // In coarse slots.

  std::size_t slots() const { return coarse.values.size(); }
  std::size_t fine_slot(std::size_t slot) const { return fine.size() - (slots() - slot) * block; }
};

Prepared prepare(Forecast& result, const Plan& plan) {
  Prepared prepared;
  prepared.fine = plan.values;
  prepared.block = plan.seasons.day > 0 ? block_size(plan.seasons.day) : 1;
  std::vector<double> coarse = coarsen(plan.values, prepared.block);
  if (coarse.size() > coarse_slots_max) {
    coarse.erase(coarse.begin(), coarse.end() - static_cast<std::ptrdiff_t>(coarse_slots_max));
  }
  prepared.seasons = {plan.seasons.day / prepared.block, plan.seasons.week / prepared.block};
  if (const std::size_t dropped = drop_outliers(coarse, prepared.seasons); dropped > 0) {
    result.notes.push_back(std::to_string(dropped) + (dropped == 1 ? " value is" : " values are") +
                           " far from all others of that time of day, and not learned from");
  }
  const auto shifts = undo_level_shifts(coarse, prepared.seasons);
  prepared.coarse = fill(coarse, prepared.seasons);
  for (const LevelShift& shift : shifts) {
    const std::size_t since = prepared.fine_slot(shift.since);
    for (std::size_t i = 0; i < since; ++i)
      prepared.fine[i] = shift.factor * prepared.fine[i] + shift.difference;
    result.notes.push_back("the level changed " +
                           days(static_cast<double>(prepared.fine.size() - since), plan.step_ms) +
                           " before the end: what came before is moved to the new one");
  }
  return prepared;
}

std::vector<double> refined(const Prepared& prepared, const Plan& plan, std::size_t slot,
                            const std::vector<double>& ahead, std::size_t horizon) {
  if (prepared.block == 1) return ahead;
  const Refiner refiner(prepared.fine, prepared.block, plan.seasons.day);
  std::vector<double> from_last = {prepared.coarse.values[slot - 1]};
  from_last.insert(from_last.end(), ahead.begin(), ahead.end());
  return refiner.refine(prepared.fine_slot(slot), from_last, horizon);
}

// A counter's value goes on from the last known one.
std::vector<double> to_original(const Plan& plan, std::vector<double> ahead) {
  for (double& value : ahead) value = std::max(value, plan.floor);
  if (!plan.counter) return ahead;
  double total = 0;
  for (const double value : plan.original) {
    if (std::isfinite(value)) total = value;
  }
  for (double& value : ahead) value = total += value;
  return ahead;
}

// How far off a forecast from `at` was. A counter's truth is the sum of its increases: a reset is
// no error.
Errors errors_of(const Prepared& prepared, const Plan& plan, const std::vector<double>& tried,
                 std::size_t at) {
  Errors errors{at, {}};
  double truth = 0, said = 0;
  for (std::size_t h = 0; h < tried.size(); ++h) {
    const double value = prepared.fine[at + h];
    const double ahead = std::max(tried[h], plan.floor);
    truth = plan.counter ? truth + value : value;
    said = plan.counter ? said + ahead : ahead;
    errors.sizes.push_back(std::fabs(truth - said));
  }
  return errors;
}

void add_bands(Forecast& result, const Plan& plan, const Settings& settings,
               const std::vector<Errors>& errors) {
  const IntervalWidths widths(errors, plan.counter ? 0 : plan.seasons.day, plan.values.size(),
                              plan.horizon);
  for (const double level : settings.levels) {
    Band band{level, result.values, result.values};
    const std::vector<double> half = widths.at(level);
    for (std::size_t h = 0; h < plan.horizon; ++h) {
      band.lower[h] = std::max(band.lower[h] - half[h], plan.floor);
      band.upper[h] += half[h];
    }
    result.bands.push_back(std::move(band));
  }
}

// How many steps the history allowed to test.
std::size_t forecast_on(Forecast& result, const Plan& plan, const Settings& settings) {
  const Prepared prepared = prepare(result, plan);
  const std::size_t slots = prepared.slots(), block = prepared.block;
  const std::size_t blocks = (plan.horizon + block - 1) / block;
  const Origins origins = origins_for(slots, blocks, prepared.seasons);
  Methods methods = methods_for(prepared.coarse, prepared.seasons,
                                origins.at.empty() ? slots : origins.at.front());
  const std::size_t extra = block > 1 ? 1 : 0;  // The line to the block behind.
  const Averaged averaged =
      average(prepared.coarse, methods, origins, origins.horizon + extra, blocks + extra);
  const std::size_t tested = std::min(plan.horizon, origins.horizon * block);
  std::vector<Errors> errors;
  for (std::size_t o = 0; o < origins.at.size(); ++o) {
    const std::vector<double> tried =
        refined(prepared, plan, origins.at[o], averaged.tried[o], tested);
    errors.push_back(errors_of(prepared, plan, tried, prepared.fine_slot(origins.at[o])));
  }
  result.values = to_original(plan, refined(prepared, plan, slots, averaged.ahead, plan.horizon));
  add_bands(result, plan, settings, errors);
  result.origins = origins.at.size();
  for (std::size_t m = 0; m < methods.size(); ++m) {
    result.parts.push_back({std::string(methods[m]->name()), averaged.weights[m]});
  }
  return tested;
}

}  // namespace

Forecast forecast(const History& history, const Settings& settings) {
  Forecast result;
  const bool counter = is_counter(history.values);
  std::vector<double> values = counter ? increases(history.values) : history.values;
  double least = 0;
  for (const double value : history.values) {
    if (std::isfinite(value)) least = std::min(least, value);
  }
  result.seasons = settings.find_seasons ? find_seasons(values, history.step_ms) : settings.seasons;
  if (const auto shift = find_clock_shift(values, result.seasons, history.step_ms)) {
    undo(*shift, values);
    result.notes.push_back(
        std::string("the day comes an hour ") + (shift->steps < 0 ? "earlier" : "later") +
        " since " +
        days(static_cast<double>(values.size() - shift->since),
             static_cast<double>(history.step_ms)) +
        " before the end, as when clocks change: what came before is moved likewise");
  }
  Plan plan{values,
            history.values,
            counter,
            least < 0 ? -std::numeric_limits<double>::infinity() : 0,
            settings.horizon,
            result.seasons,
            static_cast<double>(history.step_ms)};
  if (counter) result.notes.push_back("it only rises: its increases are forecast, and summed up");
  const std::size_t tested = forecast_on(result, plan, settings);
  note_what_is_short(result, history, settings, tested);
  return result;
}

}  // namespace outrider::detectors::forecast
