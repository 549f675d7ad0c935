// SPDX-License-Identifier: Apache-2.0
#include "detectors/answer_memory.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace outrider::detectors {
namespace {

constexpr float log10_of_2 = 0.30103F;
constexpr float bins_per_octave = 2;
constexpr float wide_offset =
    5;  // The first bin ends at a quarter of a deviation; the last begins at 512.
constexpr float narrow_offset = 8;  // ... at a sixteenth; at 16.

// Of distances in standard deviations.
constexpr float distance_share = 0.5F;
constexpr float decades_a_deviation = 0.65F;
constexpr float deviations_max = 15;
constexpr float distance_seconds = 7 * 86400;
constexpr float distance_fastest = 0.05F;
constexpr float answer_max = 1e15F;  // Its square is a float.
constexpr float less_sure = 0.8F;    // What hour and spread count.
constexpr float history_least = 200;
constexpr float history_unit = 1000;  // Samples, ...
constexpr float interval_unit = 300;  // ... seconds: where those two add nothing.

// log2 to 1e-5 of normal positive numbers: exponent bits and a series of artanh. Eight at once,
// because a loop over an array becomes vector code; the library's logarithm, a dozen times a
// sample, would cost as much as all the rest.
using Lanes = std::array<float, 8>;
Lanes log2_of(const Lanes& x) {
  Lanes result;
  for (std::size_t i = 0; i < result.size(); ++i) {
    const auto bits = std::bit_cast<std::int32_t>(x[i]);
    const auto exponent = static_cast<float>((bits >> 23) - 127);
    const float m = std::bit_cast<float>((bits & 0x007FFFFF) | 0x3F800000);  // In [1, 2).
    const float t = (m - 1) / (m + 1);  // log2 m = 2/ln 2 artanh t, |t| <= 1/3.
    const float tt = t * t;
    const float tail = 1.0F / 3 + tt * (1.0F / 5 + tt * (1.0F / 7 + tt * (1.0F / 9)));
    result[i] = exponent + 2.885390082F * t * (1 + tt * tail);
  }
  return result;
}

}  // namespace

std::string_view name(Question question) {
  switch (question) {
    case Question::range:
      return "range";
    case Question::spike:
      return "spike";
    case Question::shift:
      return "shift";
    case Question::hour:
      return "hour";
    case Question::spread:
      return "spread";
  }
  return "range";
}

template <std::size_t Bins>
Rarity AgingTails<Bins>::rarity(bool up, float bin) const {
  const auto& tail = at_least_[up ? 0 : 1];
  const auto k = static_cast<std::size_t>(bin);
  if (tail[k] == 0) {
    std::size_t beyond = k;  // The first bin beyond the farthest answer so far.
    while (beyond > 0 && tail[beyond - 1] == 0) --beyond;
    return {0, std::max(0.0F, bin - static_cast<float>(beyond))};
  }
  const float next = k + 1 < Bins ? tail[k + 1] : 0;
  const float part = bin - static_cast<float>(k);
  return {tail[k] - part * (static_cast<float>(tail[k]) - next), 0};
}

template <std::size_t Bins>
void AgingTails<Bins>::add(bool up, float bin) {
  auto& tail = at_least_[up ? 0 : 1];
  const auto k = static_cast<std::uint16_t>(bin);
  for (std::uint16_t i = 0; i < Bins; ++i) tail[i] += static_cast<std::uint16_t>(i <= k);
}

// A bin's own count is the difference of two cumulative ones, so halving those keeps the order; the
// farthest answers, which are ones, go at every second halving.
template <std::size_t Bins>
void AgingTails<Bins>::halve(bool keep_ones) {
  for (auto& tail : at_least_) {
    for (auto& count : tail)
      count = static_cast<std::uint16_t>((count + (keep_ones ? 1U : 0U)) / 2);
  }
}

template <std::size_t Bins>
void AgingTails<Bins>::save(SnapshotWriter& out) const {
  std::string bytes;
  for (const auto& tail : at_least_) {
    for (const std::uint16_t count : tail) append(bytes, count);
  }
  out.text(bytes);
}

template <std::size_t Bins>
bool AgingTails<Bins>::load(SnapshotReader& in) {
  PackedBytes bytes{in.text()};
  bool ordered = true;
  for (auto& tail : at_least_) {
    std::uint16_t before = seen_max;
    for (auto& count : tail) {
      count = bytes.take<std::uint16_t>();
      ordered = ordered && count <= before;
      before = count;
    }
  }
  return ordered && bytes.whole();
}

// For the scorer's snapshot. The rest is of this file alone, so that it is compiled into learn().
template void AgingTails<AnswerMemory::wide_bins>::save(SnapshotWriter& out) const;
template void AgingTails<AnswerMemory::narrow_bins>::save(SnapshotWriter& out) const;
template bool AgingTails<AnswerMemory::wide_bins>::load(SnapshotReader& in);
template bool AgingTails<AnswerMemory::narrow_bins>::load(SnapshotReader& in);

AnswerMemory::Surprises AnswerMemory::learn(const Answers& answers, float interval_seconds) {
  Lanes far;
  far.fill(1);
  for (std::size_t i = 0; i < question_count; ++i) {
    far[i] = std::max(std::fabs(answers[i].far), 1e-30F);
  }
  const Lanes octaves = log2_of(far);
  Lanes share;
  share.fill(1);
  std::array<float, question_count> beyond{};
  const auto put = [&](std::size_t i, auto& tails, float offset, float bins) {
    if (!answers[i].asked) return;
    const bool up = answers[i].far >= 0;
    const float bin = std::clamp(bins_per_octave * octaves[i] + offset, 0.0F, bins - 1e-3F);
    const Rarity rarity = tails.rarity(up, bin);
    tails.add(up, bin);
    share[i] = (rarity.count + 1) / (static_cast<float>(asked_[i]) + 2);
    beyond[i] = rarity.bins_beyond / bins_per_octave;
    ++asked_[i];
  };
  for (std::size_t i = 0; i < wide_.size(); ++i) put(i, wide_[i], wide_offset, wide_bins);
  for (std::size_t i = 0; i < narrow_.size(); ++i) {
    put(wide_.size() + i, narrow_[i], narrow_offset, narrow_bins);
  }
  share[question_count] = std::max(static_cast<float>(asked_[0]) + 1, history_least) / history_unit;
  share[question_count + 1] = interval_seconds / interval_unit;
  age_if_full();
  const Lanes logs = log2_of(share);
  Surprises surprise;
  for (std::size_t i = 0; i < question_count; ++i) {
    if (!answers[i].asked) continue;
    const float rank = log10_of_2 * (beyond[i] - logs[i]);
    surprise.of[i] = (1 - distance_share) * rank +
                     distance_share * distance(i, answers[i].far, interval_seconds);
  }
  surprise.of[static_cast<std::size_t>(Question::hour)] *= less_sure;
  surprise.of[static_cast<std::size_t>(Question::spread)] *= less_sure;
  surprise.history = log10_of_2 * logs[question_count];
  surprise.interval = log10_of_2 * logs[question_count + 1];
  return surprise;
}

float AnswerMemory::distance(std::size_t question, float far, float interval_seconds) {
  float& mean = mean_[question];
  float& variance = variance_[question];
  const float off = std::clamp(far, -answer_max, answer_max) - mean;
  const auto asked = static_cast<float>(asked_[question]);
  const bool known = asked > static_cast<float>(samples_min) && variance > 0;
  const float deviations =
      known ? std::min(std::fabs(off) / std::sqrt(variance), deviations_max) : 0;
  const float rate = std::max(std::min(interval_seconds / distance_seconds, distance_fastest),
                              1 / std::max(asked, 1.0F));
  mean += rate * off;
  variance += rate * (off * off - variance);
  return decades_a_deviation * deviations;
}

void AnswerMemory::age_if_full() {
  if (asked_[0] < seen_max) return;
  for (auto& tails : wide_) tails.halve(keep_ones_);
  for (auto& tails : narrow_) tails.halve(keep_ones_);
  for (auto& asked : asked_) asked /= 2;
  keep_ones_ = !keep_ones_;
}

}  // namespace outrider::detectors
