// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a series is used to at each hour of the day. PURE, not thread-safe, O(1).
//
//   profile.begin(hour, age_ms);                      // Before a sample is judged,
//   if (profile.is_known()) … x - profile.usual() …
//   profile.follow(hour, x, interval);                // and after.
//
// A day leaves about two thirds of an hour's place to the newest, whatever the interval. An hour is
// known from the eighth day on, when it had a few samples.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace outrider::detectors {

class HourProfile {
 public:
  // What comes in an hour is compared with that hour's past, not with itself.
  void begin(std::size_t hour, double age_ms) {
    if (hour == hour_) return;
    hour_ = static_cast<std::uint8_t>(hour);
    is_known_ = seen_[hour] > samples_min && age_ms >= known_from_ms;
    usual_ = mean_[hour];
  }
  bool is_known() const { return is_known_; }
  float usual() const { return usual_; }

  void follow(std::size_t hour, float x, float interval_seconds) {
    std::uint8_t& seen = seen_[hour];
    if (seen < 255) ++seen;
    const float a_day = std::clamp(interval_seconds / 3600, slowest, fastest);
    mean_[hour] += std::max(a_day, 1 / static_cast<float>(seen)) * (x - mean_[hour]);
  }

 private:
  friend class SeriesScorer;  // Its snapshot has the numbers of all parts in one order.

  static constexpr double known_from_ms = 7.0 * 86'400'000;
  static constexpr std::uint8_t samples_min = 4;
  static constexpr float slowest = 0.002F, fastest = 0.1F;

  float usual_ = 0;  // What the profile had when this hour began.
  std::array<float, 24> mean_{};
  std::array<std::uint8_t, 24> seen_{};
  std::uint8_t hour_ = 255;  // Of the last sample; 255: none yet.
  bool is_known_ = false;
};

}  // namespace outrider::detectors
