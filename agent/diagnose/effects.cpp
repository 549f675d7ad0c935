// SPDX-License-Identifier: Apache-2.0
#include "agent/diagnose/effects.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <optional>

#include "agent/diagnose/call_ratios.h"

namespace outrider::diagnose {
namespace {

// One channel of one component, in the baseline and now.
struct Pair {
  std::size_t component = 0;
  const Channel* calm = nullptr;
  const Channel* now = nullptr;  // Null: none in the search window.
  double normal = 0;
  double floor = 0;
  Values effects = {};  // Of the baseline, on its grid.
};

double effect(double value, double normal, double floor, Worse worse) {
  if (std::isnan(floor)) return floor;
  // A hundredth of the floor: differences can be below nothing, logarithms cannot.
  const double least = floor / 100;
  const double ratio = std::log(std::max(value + floor, least) / std::max(normal + floor, least));
  if (std::isnan(value)) return value;
  if (worse == Worse::either) return std::abs(ratio);
  return worse == Worse::lower ? -ratio : ratio;
}

double row_floor(const Pair& pair, const Channel& channel, std::size_t row) {
  if (channel.least.empty()) return pair.floor;
  const double least = channel.least[row];
  return std::isnan(least) ? least : std::max(pair.floor, least);
}

Values effects_of(const Pair& pair, const Channel& channel, double normal) {
  Values out(channel.values.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = effect(channel.values[i], normal, row_floor(pair, channel, i), channel.worse);
  }
  return out;
}

// What is small in this system: the lower quartile of the normal values above 0.
double small_value(const std::vector<Pair>& pairs, Group group) {
  if (group == Group::errors || group == Group::quality || group == Group::wrong ||
      group == Group::upstream) {
    return small_errors;
  }
  if (group == Group::drift) return small_drift;
  if (group == Group::restarts) return 1;
  if (!pairs.front().calm->least.empty()) return 0;  // One request is small.
  Values normals;
  for (const Pair& pair : pairs) {
    if (pair.normal > 0) normals.push_back(pair.normal);
  }
  return normals.empty() ? 1 : quantile(normals, 0.25);
}

double deviation(const Values& values, double normal) {
  Values distances(values);
  for (double& value : distances) value = std::abs(value - normal);
  return median(distances).value_or(0);
}

// The level of each calm window, NaN where it has no value.
Values calm_levels(const Values& effects, const std::vector<CalmWindow>& windows) {
  Values out;
  out.reserve(windows.size());
  for (const CalmWindow& window : windows) {
    const auto level =
        highest_level(std::span<const double>(effects).subspan(window.first, window.length));
    out.push_back(level ? level->value : std::nan(""));
  }
  return out;
}

double calm_reach(const Values& levels, double pooled) {
  Values finite;
  for (const double level : levels) {
    if (std::isfinite(level)) finite.push_back(level);
  }
  const double reach = finite.size() >= calm_enough ? quantile(finite, calm_quantile) : pooled;
  return std::max(0.0, reach);
}

ChannelExcess excess_of(const Pair& pair, const Timeline& timeline, double normal,
                        const Values& levels, double reach) {
  const Values& times = timeline.now[pair.component].times;
  const Values effects = timeline.now_grid.on(times, effects_of(pair, *pair.now, normal));
  const auto level = highest_level(effects);
  ChannelExcess out{
      .channel = pair.now->name, .group = pair.now->group, .calm = reach, .normal = normal};
  if (level) {
    out.excess = std::max(0.0, level->value - reach);
    out.level = level->value;
    out.slot = level->slot;
    out.since = first_slot(effects, reach + out.excess / 2).value_or(level->slot);
    out.value = timeline.now_grid.on(times, pair.now->values)[level->slot];
  }
  out.calm_windows.reserve(levels.size());
  for (const double one : levels)
    out.calm_windows.push_back(std::isfinite(one) ? std::max(0.0, one - reach) : 0.0);
  return out;
}

double normal_now(const Pair& pair, const Timeline& timeline) {
  if (pair.now->group == Group::memory) {
    if (const Values* recent = timeline.recent[pair.component].find("memory"))
      return median(*recent).value_or(pair.normal);
  }
  return pair.normal;
}

// All components of one channel: they share what is small, and what calm rows reach.
void add_channel(std::vector<Pair>& pairs, const Timeline& timeline, Excesses& out) {
  const double small = small_value(pairs, pairs.front().calm->group);
  Values pool;
  for (Pair& pair : pairs) {
    const Values& times = timeline.calm[pair.component].times;
    const Values on_grid = timeline.calm_grid.on(times, pair.calm->values);
    pair.floor = std::max(small, deviation(on_grid, pair.normal));
    pair.effects = timeline.calm_grid.on(times, effects_of(pair, *pair.calm, pair.normal));
    for (const double one : pair.effects) {
      if (std::isfinite(one)) pool.push_back(one);
    }
  }
  const double pooled = pool.empty() ? 0 : quantile(pool, calm_quantile);
  for (Pair& pair : pairs) {
    if (pair.now == nullptr) continue;
    const Values levels = calm_levels(pair.effects, timeline.windows);
    out[pair.component].push_back(
        excess_of(pair, timeline, normal_now(pair, timeline), levels, calm_reach(levels, pooled)));
    Values().swap(pair.effects);
  }
}

}  // namespace

Excesses excesses(const Timeline& timeline, const CallGraph& graph,
                  const std::vector<std::string>& names) {
  const std::size_t components = timeline.now.size();
  std::vector<std::vector<Channel>> now(components), calm(components);
  std::map<std::string, std::vector<Pair>> by_name;
  for (std::size_t c = 0; c < components; ++c) {
    now[c] = channels_of(timeline.now[c]);
    calm[c] = channels_of(timeline.calm[c]);
    CallRatios ratios = call_ratios(timeline, graph, names, c);
    std::move(ratios.now.begin(), ratios.now.end(), std::back_inserter(now[c]));
    std::move(ratios.calm.begin(), ratios.calm.end(), std::back_inserter(calm[c]));
    for (const Channel& channel : calm[c]) {
      const auto normal = median(channel.values);
      if (!normal) continue;
      const auto same = std::find_if(now[c].begin(), now[c].end(), [&channel](const Channel& one) {
        return one.name == channel.name;
      });
      by_name[channel.name].push_back({.component = c,
                                       .calm = &channel,
                                       .now = same == now[c].end() ? nullptr : &*same,
                                       .normal = *normal});
    }
  }
  Excesses out(components);
  for (auto& [name, pairs] : by_name) add_channel(pairs, timeline, out);
  return out;
}

}  // namespace outrider::diagnose
