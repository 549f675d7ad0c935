// SPDX-License-Identifier: Apache-2.0
#include "detectors/series_score.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>

namespace outrider::detectors {
namespace {

constexpr std::uint32_t samples_min = 20;     // Before that nothing is scored.
constexpr std::uint32_t seen_max = 65'000;    // Then counts are halved; they must fit 16 bits.
constexpr float memory_seconds = 10 * 86400;  // Of level and deviation.
constexpr float slowest_rate = 1e-4F;
constexpr float fastest_rate = 0.01F;
constexpr double farthest = 1e30;     // From the first value; a float holds it.
constexpr double scale_floor = 1e-6;  // Of the level: below it, change is rounding.
constexpr float scale_min = 1e-30F;
constexpr float clip = 6;  // One wild sample must not be a shift.
constexpr float level_clip = 3;
constexpr float short_rate = 0.08F;  // About a dozen samples.
constexpr float spread_rate = 0.05F;
// Of the profile: a day leaves about two thirds of an hour's place to the newest, whatever the
// interval.
constexpr float profile_slowest = 0.002F;
constexpr float profile_fastest = 0.1F;
constexpr std::uint8_t profile_min = 4;  // Samples in an hour before it is believed.
constexpr float gap_factor = 10;         // Of the usual interval: no step, no mean across it.
constexpr float interval_rate = 0.02F;
constexpr float interval_min = 1e-3F;
constexpr float interval_max = 86400;

constexpr float log10_of_2 = 0.30103F;
constexpr float bins_per_octave = 2;
constexpr float wide_offset =
    5;  // The first bin ends at a quarter of a deviation; the last begins at 512.
constexpr float narrow_offset = 8;  // ... at a sixteenth; at 16.

constexpr float remarkable = 1;  // One in ten: what is not even that is no evidence.
constexpr float agreement = 0.2F;
constexpr float resting = 0.4F;       // What others' noise adds by agreement.
constexpr float great = 3.2F;         // Beyond it a decade counts less, ...
constexpr float beyond_great = 0.4F;  // ... so that the highest steps stay apart.
constexpr float history_discount = 0.45F;
// Of distances in standard deviations.
constexpr float distance_share = 0.5F;
constexpr float decades_a_deviation = 0.65F;
constexpr float deviations_max = 15;
constexpr float distance_seconds = 7 * 86400;
constexpr float distance_fastest = 0.05F;
constexpr float answer_max = 1e15F;  // Its square is a float.
constexpr float less_sure = 0.8F;    // What hour and spread count.
constexpr double hour_from_ms = 7.0 * 86'400'000;
constexpr float warm_up_ms = 86'400'000;  // Until every hour of the day was seen once, ...
constexpr float warm_up_weight = 0.3F;    // ... what is new is mostly that.
constexpr float history_least = 200;
constexpr float history_unit = 1000;  // Samples, ...
constexpr float interval_credit = 0.3F;
constexpr float interval_unit = 300;  // ... seconds: where those two add nothing.
constexpr float habit_discount = 0.4F;
constexpr float habit_each = 0.1F;   // Without end: what comes for ever is not told for ever.
constexpr float habit_reach = 1.5F;  // Steps: an episode of nearly this height counts.
constexpr float habit_half_life_ms = 30.0F * 86'400'000.0F;
constexpr float evidence_step = 0.4F;
constexpr double suppressed_share = 0.05;
constexpr double refractory_ms = 86'400'000;
constexpr float refractory_samples = 12;

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

int step_of(float evidence) {
  constexpr auto most = static_cast<float>(SeriesScorer::steps_max);
  return static_cast<int>(std::clamp(evidence / evidence_step, 0.0F, most));
}

// As a double: the difference of any two timestamps fits.
double passed_ms(std::int64_t from, std::int64_t to) {
  return std::max(0.0, static_cast<double>(to) - static_cast<double>(from));
}

// Little-endian, without padding: a snapshot of a million series should be small.
template <class T>
void append(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) out += static_cast<char>((value >> (8 * i)) & 0xFF);
}

struct PackedBytes {
  std::string_view rest;
  bool sound = true;

  template <class T>
  T take() {
    if (rest.size() < sizeof(T)) {
      sound = false;
      return T{};
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      value |= std::uint64_t{static_cast<unsigned char>(rest[i])} << (8 * i);
    }
    rest.remove_prefix(sizeof(T));
    return static_cast<T>(value);
  }
  float number() {
    const auto value = std::bit_cast<float>(take<std::uint32_t>());
    sound = sound && std::isfinite(value);
    return value;
  }
  bool whole() const { return sound && rest.empty(); }
};

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

void SeriesScorer::begin(std::int64_t timestamp_ms, double value) {
  anchor_ = value;
  first_ms_ = timestamp_ms;
  last_ms_ = timestamp_ms;
  samples_ = 1;
}

// What comes in an hour is compared with that hour's past, not with itself.
void SeriesScorer::note_hour(std::size_t hour, std::int64_t timestamp_ms) {
  if (hour == hour_) return;
  hour_ = static_cast<std::uint8_t>(hour);
  hour_known_ =
      profile_seen_[hour] > profile_min && passed_ms(first_ms_, timestamp_ms) >= hour_from_ms;
  usual_hour_ = profile_[hour];
}

float SeriesScorer::evidence_of(const Surprises& surprise, std::size_t most,
                                std::int64_t timestamp_ms) const {
  if (surprise.of[most] < remarkable) return 0;
  float sum = 0;
  for (const float one : surprise.of) sum += one;
  float evidence = surprise.of[most] + agreement * (sum - surprise.of[most]);
  evidence -= resting;
  evidence -= history_discount * surprise.history;
  evidence -= warm_up_discount(timestamp_ms);
  evidence += interval_credit * surprise.interval;
  if (evidence > great) evidence = great + beyond_great * (evidence - great);
  return evidence;
}

SeriesScore SeriesScorer::add(std::int64_t timestamp_ms, double value) {
  SeriesScore result;
  if (!std::isfinite(value)) return result;
  if (samples_ == 0) {
    begin(timestamp_ms, value);
    return result;
  }
  const float passed =
      std::clamp(static_cast<float>(passed_ms(last_ms_, timestamp_ms)) / 1000, 0.0F, interval_max);
  const bool after_gap = samples_ > samples_min && passed > gap_factor * interval_;
  const float seen = static_cast<float>(samples_);
  interval_ +=
      std::max(interval_rate, 1 / (seen + 1)) * (std::max(passed, interval_min) - interval_);
  last_ms_ = timestamp_ms;

  const auto x = static_cast<float>(std::clamp(value - anchor_, -farthest, farthest));
  const double floor = std::min(scale_floor * std::fabs(level_ + anchor_), farthest);
  const float scale = std::max({deviation_, static_cast<float>(floor), scale_min});
  const auto hour = static_cast<std::size_t>((timestamp_ms / 3'600'000 % 24 + 24) % 24);
  note_hour(hour, timestamp_ms);
  const float usual_before = before_;
  const float usual_level = level_;

  const Answers answers = ask(x, scale, after_gap);
  if (samples_ <
      samples_min) {  // Nothing is learnt from distances in a deviation that is none yet.
    follow(x, hour, scale);
    return result;
  }
  const Surprises surprise = learn(answers);
  follow(x, hour, scale);

  const auto most = static_cast<std::size_t>(
      std::max_element(surprise.of.begin(), surprise.of.end()) - surprise.of.begin());
  float evidence = evidence_of(surprise, most, timestamp_ms);
  const int before_habit = step_of(evidence);
  if (evidence >= evidence_step) evidence -= habituation(evidence, timestamp_ms);
  const int step = step_of(evidence);

  result.question = static_cast<Question>(most);
  result.up = answers[most].far >= 0;
  const float usual = result.question == Question::spike  ? usual_before
                      : result.question == Question::hour ? usual_hour_
                                                          : usual_level;
  result.expected = anchor_ + usual;
  result.evidence = static_cast<double>(step) * 4 / 10;
  const bool told = refractory(step, before_habit, timestamp_ms);
  result.score = static_cast<double>(step) / steps_max * (told ? 1 : suppressed_share);
  return result;
}

SeriesScorer::Answers SeriesScorer::ask(float x, float scale, bool after_gap) {
  Answers answers;
  const auto answer = [&](Question question, float far) {
    answers[static_cast<std::size_t>(question)] = {far, true};
  };
  const float far = (x - level_) / scale;
  answer(Question::range, far);
  if (!after_gap) {
    const float jump = (x - before_) / scale;
    answer(Question::spike, jump);
    short_mean_ += short_rate * (std::clamp(far, -clip, clip) - short_mean_);
    answer(Question::shift, short_mean_);
    short_spread_ += spread_rate * (std::min(std::fabs(jump), clip) - short_spread_);
    const float slow = std::max(1 / (static_cast<float>(samples_) + 1), 5e-4F);
    long_spread_ += slow * (std::min(std::fabs(jump), clip) - long_spread_);
    answer(Question::spread, std::log2((short_spread_ + 1e-3F) / (long_spread_ + 1e-3F)));
  }
  if (hour_known_) {
    answer(Question::hour, (x - usual_hour_) / scale);
  }
  return answers;
}

SeriesScorer::Surprises SeriesScorer::learn(const Answers& answers) {
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
  share[question_count + 1] = interval_ / interval_unit;
  age_if_full();
  const Lanes logs = log2_of(share);
  Surprises surprise;
  for (std::size_t i = 0; i < question_count; ++i) {
    if (!answers[i].asked) continue;
    const float rank = log10_of_2 * (beyond[i] - logs[i]);
    surprise.of[i] = (1 - distance_share) * rank + distance_share * distance(i, answers[i].far);
  }
  surprise.of[static_cast<std::size_t>(Question::hour)] *= less_sure;
  surprise.of[static_cast<std::size_t>(Question::spread)] *= less_sure;
  surprise.history = log10_of_2 * logs[question_count];
  surprise.interval = log10_of_2 * logs[question_count + 1];
  return surprise;
}

float SeriesScorer::distance(std::size_t question, float far) {
  float& mean = answer_mean_[question];
  float& variance = answer_variance_[question];
  const float off = std::clamp(far, -answer_max, answer_max) - mean;
  const auto asked = static_cast<float>(asked_[question]);
  const bool known = asked > static_cast<float>(samples_min) && variance > 0;
  const float deviations =
      known ? std::min(std::fabs(off) / std::sqrt(variance), deviations_max) : 0;
  const float rate =
      std::max(std::min(interval_ / distance_seconds, distance_fastest), 1 / std::max(asked, 1.0F));
  mean += rate * off;
  variance += rate * (off * off - variance);
  return decades_a_deviation * deviations;
}

void SeriesScorer::age_if_full() {
  if (asked_[0] < seen_max) return;
  for (auto& tails : wide_) tails.halve(keep_ones_);
  for (auto& tails : narrow_) tails.halve(keep_ones_);
  for (auto& asked : asked_) asked /= 2;
  keep_ones_ = !keep_ones_;
}

// Level and deviation are kept with clipped steps, so that a burst moves them little.
void SeriesScorer::follow(float x, std::size_t hour, float scale) {
  const float starting = 1 / (static_cast<float>(samples_) + 1);
  const float rate =
      std::max(std::clamp(interval_ / memory_seconds, slowest_rate, fastest_rate), starting);
  const float away = x - level_;
  level_ += rate * std::clamp(away, -level_clip * scale, level_clip * scale);
  const float size = std::fabs(x - level_);
  deviation_ = deviation_ > 0 ? deviation_ + rate * (std::min(size, 4 * deviation_) - deviation_)
                              : 2 * rate * size;
  if (samples_ < samples_min) deviation_ = std::max(deviation_, 0.2F * std::fabs(x - before_));
  before_ = x;
  std::uint8_t& seen = profile_seen_[hour];
  if (seen < 255) ++seen;
  const float a_day = std::clamp(interval_ / 3600, profile_slowest, profile_fastest);
  profile_[hour] += std::max(a_day, 1 / static_cast<float>(seen)) * (x - profile_[hour]);
  ++samples_;
}

float SeriesScorer::warm_up_discount(std::int64_t now_ms) const {
  const auto age = static_cast<float>(passed_ms(first_ms_, now_ms));
  return age < warm_up_ms ? warm_up_weight * std::log10(warm_up_ms / std::max(age, 1000.0F)) : 0;
}

float SeriesScorer::habituation(float evidence, std::int64_t now_ms) const {
  float past = 0;
  for (std::size_t i = 0; i < habits_.size(); ++i) {
    if (evidence_step * (static_cast<float>(i) + habit_reach) >= evidence) past += habits_[i];
  }
  if (past <= 0) return 0;
  const auto age = static_cast<float>(passed_ms(habit_ms_, now_ms));
  const float now = past * std::exp2(-age / habit_half_life_ms);
  return habit_discount * std::log10(1 + now) + habit_each * now;
}

// True at the first sample of an episode and when the episode grows by a step. An episode is one
// habit, at the height that it came to.
bool SeriesScorer::refractory(int step, int before_habit, std::int64_t now_ms) {
  const double wait = std::max(refractory_ms, 1000.0 * refractory_samples * interval_);
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

void SeriesScorer::save(SnapshotWriter& out) const {
  out.f64(anchor_);
  out.i64(first_ms_);
  out.i64(last_ms_);
  out.i64(peak_ms_);
  out.i64(habit_ms_);
  std::string bytes;
  for (const float* number : numbers(*this)) append(bytes, std::bit_cast<std::uint32_t>(*number));
  for (const float number : profile_) append(bytes, std::bit_cast<std::uint32_t>(number));
  for (const float number : habits_) append(bytes, std::bit_cast<std::uint32_t>(number));
  for (const float number : answer_mean_) append(bytes, std::bit_cast<std::uint32_t>(number));
  for (const float number : answer_variance_) append(bytes, std::bit_cast<std::uint32_t>(number));
  for (const std::uint32_t asked : asked_) append(bytes, asked);
  append(bytes, samples_);
  for (const std::uint8_t seen : profile_seen_) append(bytes, seen);
  append(bytes, hour_);
  append(bytes, static_cast<std::uint8_t>(hour_known_));
  append(bytes, peak_step_);
  append(bytes, peak_habit_);
  out.text(bytes);
  out.boolean(keep_ones_);
  for (const auto& tails : wide_) tails.save(out);
  for (const auto& tails : narrow_) tails.save(out);
}

Result<SeriesScorer> SeriesScorer::load(SnapshotReader& in) {
  SeriesScorer made;
  made.anchor_ = in.f64();
  made.first_ms_ = in.i64();
  made.last_ms_ = in.i64();
  made.peak_ms_ = in.i64();
  made.habit_ms_ = in.i64();
  PackedBytes bytes{in.text()};
  for (float* number : numbers(made)) *number = bytes.number();
  for (float& number : made.profile_) number = bytes.number();
  for (float& number : made.habits_) number = bytes.number();
  for (float& number : made.answer_mean_) number = bytes.number();
  for (float& number : made.answer_variance_) number = bytes.number();
  for (std::uint32_t& asked : made.asked_) asked = std::min(bytes.take<std::uint32_t>(), seen_max);
  made.samples_ = bytes.take<std::uint32_t>();
  for (std::uint8_t& seen : made.profile_seen_) seen = bytes.take<std::uint8_t>();
  made.hour_ = bytes.take<std::uint8_t>();
  made.hour_known_ = bytes.take<std::uint8_t>() != 0;
  made.peak_step_ = bytes.take<std::uint8_t>();
  made.peak_habit_ = bytes.take<std::uint8_t>();
  made.keep_ones_ = in.boolean();
  bool sound = bytes.whole() && made.peak_step_ <= steps_max && made.peak_habit_ <= steps_max &&
               std::isfinite(made.anchor_) && made.interval_ > 0;
  for (const float variance : made.answer_variance_) sound = sound && variance >= 0;
  for (auto& tails : made.wide_) sound = tails.load(in) && sound;
  for (auto& tails : made.narrow_) sound = tails.load(in) && sound;
  if (!sound) return fail("snapshot_corrupt", "a series' state makes no sense");
  return made;
}

}  // namespace outrider::detectors
