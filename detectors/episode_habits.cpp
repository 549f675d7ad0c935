// SPDX-License-Identifier: Apache-2.0
#include "detectors/episode_habits.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace outrider::detectors {
namespace {

constexpr float habit_discount = 0.4F;
constexpr float habit_each = 0.1F;   // Without end: what comes for ever is not told for ever.
constexpr float habit_reach = 1.5F;  // Steps: an episode of nearly this height counts.
constexpr float habit_half_life_ms = 30.0F * 86'400'000.0F;
constexpr double refractory_ms = 86'400'000;
constexpr float refractory_samples = 12;

}  // namespace

double passed_ms(std::int64_t from, std::int64_t to) {
  return std::max(0.0, static_cast<double>(to) - static_cast<double>(from));
}

float EpisodeHabits::discount(float evidence, std::int64_t now_ms) const {
  float past = 0;
  for (std::size_t i = 0; i < habits_.size(); ++i) {
    if (evidence_step * (static_cast<float>(i) + habit_reach) >= evidence) past += habits_[i];
  }
  if (past <= 0) return 0;
  const auto age = static_cast<float>(passed_ms(habit_ms_, now_ms));
  const float now = past * std::exp2(-age / habit_half_life_ms);
  return habit_discount * std::log10(1 + now) + habit_each * now;
}

bool EpisodeHabits::tell(int step, int before_habit, std::int64_t now_ms, float interval_seconds) {
  const double wait = std::max(refractory_ms, 1000.0 * refractory_samples * interval_seconds);
  if (passed_ms(peak_ms_, now_ms) > wait) peak_step_ = 0;
  if (step <= peak_step_) return false;
  const auto age = static_cast<float>(passed_ms(habit_ms_, now_ms));
  const float fade = std::exp2(-age / habit_half_life_ms);
  for (float& habit : habits_) habit *= fade;
  if (peak_step_ > 0) {
    float& grown = habits_[peak_habit_];
    grown = std::max(0.0F, grown - 1);
  }
  habits_[static_cast<std::size_t>(before_habit)] += 1;
  peak_habit_ = static_cast<std::uint8_t>(before_habit);
  habit_ms_ = now_ms;
  peak_ms_ = now_ms;
  peak_step_ = static_cast<std::uint8_t>(step);
  return true;
}

}  // namespace outrider::detectors
