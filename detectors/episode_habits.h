// SPDX-License-Identifier: Apache-2.0
#pragma once

// A series' episodes, by the height of their evidence: the one at hand, and how often such came
// before. PURE, not thread-safe.
//
// Habituation: each past episode of about this height or more takes some of the evidence away
//   (0.4 log10(1 + n) + 0.1 n), and is itself forgotten with a half-life of 30 days.
// Refractory period: after an episode's first sample, for a day (or 12 samples, if longer) only
//   evidence that is higher by a whole step is told again.

#include <array>
#include <cstdint>

namespace outrider::detectors {

// As a double: the difference of any two timestamps fits. Never negative.
double passed_ms(std::int64_t from, std::int64_t to);

class EpisodeHabits {
 public:
  static constexpr int steps_max = 16;
  static constexpr float evidence_step = 0.4F;  // Decades.

  // What an evidence loses by habituation. O(steps_max).
  float discount(float evidence, std::int64_t now_ms) const;
  // True at the first sample of an episode and when the episode grows by a step. An episode is one
  // habit, at the height that it came to before habituation.
  bool tell(int step, int before_habit, std::int64_t now_ms, float interval_seconds);

 private:
  friend class SeriesScorer;  // Its snapshot has the numbers of all parts in one order.

  std::int64_t peak_ms_ = 0;
  std::int64_t habit_ms_ = 0;
  std::array<float, steps_max + 1> habits_{};  // Past episodes by their height.
  std::uint8_t peak_step_ = 0;                 // Of the episode at hand, ...
  std::uint8_t peak_habit_ = 0;                // ... and before habituation.
};

}  // namespace outrider::detectors
