// SPDX-License-Identifier: Apache-2.0
#include "detectors/series_score.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace outrider::detectors {
namespace {

constexpr std::uint32_t samples_min = AnswerMemory::samples_min;  // Before that nothing is scored.
constexpr float memory_seconds = 10 * 86400;                      // Of level and deviation.
constexpr float slowest_rate = 1e-4F;
constexpr float fastest_rate = 0.01F;
constexpr double farthest = 1e30;     // From the first value; a float holds it.
constexpr double scale_floor = 1e-6;  // Of the level: below it, change is rounding.
constexpr float scale_min = 1e-30F;
constexpr float clip = 6;  // One wild sample must not be a shift.
constexpr float level_clip = 3;
constexpr float short_rate = 0.08F;  // About a dozen samples.
constexpr float spread_rate = 0.05F;
constexpr float gap_factor = 10;  // Of the usual interval: no step, no mean across it.
constexpr float interval_rate = 0.02F;
constexpr float interval_min = 1e-3F;
constexpr float interval_max = 86400;

constexpr float remarkable = 1;  // One in ten: what is not even that is no evidence.
constexpr float agreement = 0.2F;
constexpr float resting = 0.4F;       // What others' noise adds by agreement.
constexpr float great = 3.2F;         // Beyond it a decade counts less, ...
constexpr float beyond_great = 0.4F;  // ... so that the highest steps stay apart.
constexpr float history_discount = 0.45F;
constexpr float warm_up_ms = 86'400'000;  // Until every hour of the day was seen once, ...
constexpr float warm_up_weight = 0.3F;    // ... what is new is mostly that.
constexpr float interval_credit = 0.3F;
constexpr double suppressed_share = 0.05;

int step_of(float evidence) {
  constexpr auto most = static_cast<float>(SeriesScorer::steps_max);
  return static_cast<int>(std::clamp(evidence / EpisodeHabits::evidence_step, 0.0F, most));
}

}  // namespace

void SeriesScorer::begin(std::int64_t timestamp_ms, double value) {
  anchor_ = value;
  first_ms_ = timestamp_ms;
  last_ms_ = timestamp_ms;
  samples_ = 1;
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
  profile_.begin(hour, passed_ms(first_ms_, timestamp_ms));
  const float usual_before = before_;
  const float usual_level = level_;

  const Answers answers = ask(x, scale, after_gap);
  if (samples_ <
      samples_min) {  // Nothing is learnt from distances in a deviation that is none yet.
    follow(x, hour, scale);
    return result;
  }
  const Surprises surprise = answers_.learn(answers, interval_);
  follow(x, hour, scale);

  const auto most = static_cast<std::size_t>(
      std::max_element(surprise.of.begin(), surprise.of.end()) - surprise.of.begin());
  float evidence = evidence_of(surprise, most, timestamp_ms);
  const int before_habit = step_of(evidence);
  if (evidence >= EpisodeHabits::evidence_step)
    evidence -= episodes_.discount(evidence, timestamp_ms);
  const int step = step_of(evidence);

  result.question = static_cast<Question>(most);
  result.up = answers[most].far >= 0;
  const float usual = result.question == Question::spike  ? usual_before
                      : result.question == Question::hour ? profile_.usual()
                                                          : usual_level;
  result.expected = anchor_ + usual;
  result.evidence = static_cast<double>(step) * 4 / 10;
  const bool told = episodes_.tell(step, before_habit, timestamp_ms, interval_);
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
  if (profile_.is_known()) answer(Question::hour, (x - profile_.usual()) / scale);
  return answers;
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
  profile_.follow(hour, x, interval_);
  ++samples_;
}

float SeriesScorer::warm_up_discount(std::int64_t now_ms) const {
  const auto age = static_cast<float>(passed_ms(first_ms_, now_ms));
  return age < warm_up_ms ? warm_up_weight * std::log10(warm_up_ms / std::max(age, 1000.0F)) : 0;
}

void SeriesScorer::save(SnapshotWriter& out) const {
  out.f64(anchor_);
  out.i64(first_ms_);
  out.i64(last_ms_);
  out.i64(episodes_.peak_ms_);
  out.i64(episodes_.habit_ms_);
  std::string bytes;
  for (const float* number : numbers(*this)) append(bytes, *number);
  for (const float number : profile_.mean_) append(bytes, number);
  for (const float number : episodes_.habits_) append(bytes, number);
  for (const float number : answers_.mean_) append(bytes, number);
  for (const float number : answers_.variance_) append(bytes, number);
  for (const std::uint32_t asked : answers_.asked_) append(bytes, asked);
  append(bytes, samples_);
  for (const std::uint8_t seen : profile_.seen_) append(bytes, seen);
  append(bytes, profile_.hour_);
  append(bytes, static_cast<std::uint8_t>(profile_.is_known_));
  append(bytes, episodes_.peak_step_);
  append(bytes, episodes_.peak_habit_);
  out.text(bytes);
  out.boolean(answers_.keep_ones_);
  for (const auto& tails : answers_.wide_) tails.save(out);
  for (const auto& tails : answers_.narrow_) tails.save(out);
}

Result<SeriesScorer> SeriesScorer::load(SnapshotReader& in) {
  SeriesScorer made;
  made.anchor_ = in.f64();
  made.first_ms_ = in.i64();
  made.last_ms_ = in.i64();
  EpisodeHabits& episodes = made.episodes_;
  AnswerMemory& answers = made.answers_;
  HourProfile& profile = made.profile_;
  episodes.peak_ms_ = in.i64();
  episodes.habit_ms_ = in.i64();
  PackedBytes bytes{in.text()};
  for (float* number : numbers(made)) *number = bytes.number();
  for (float& number : profile.mean_) number = bytes.number();
  for (float& number : episodes.habits_) number = bytes.number();
  for (float& number : answers.mean_) number = bytes.number();
  for (float& number : answers.variance_) number = bytes.number();
  for (std::uint32_t& asked : answers.asked_)
    asked = std::min(bytes.take<std::uint32_t>(), seen_max);
  made.samples_ = bytes.take<std::uint32_t>();
  for (std::uint8_t& seen : profile.seen_) seen = bytes.take<std::uint8_t>();
  profile.hour_ = bytes.take<std::uint8_t>();
  profile.is_known_ = bytes.take<std::uint8_t>() != 0;
  episodes.peak_step_ = bytes.take<std::uint8_t>();
  episodes.peak_habit_ = bytes.take<std::uint8_t>();
  answers.keep_ones_ = in.boolean();
  bool sound = bytes.whole() && episodes.peak_step_ <= steps_max &&
               episodes.peak_habit_ <= steps_max && std::isfinite(made.anchor_) &&
               made.interval_ > 0;
  for (const float variance : answers.variance_) sound = sound && variance >= 0;
  for (auto& tails : answers.wide_) sound = tails.load(in) && sound;
  for (auto& tails : answers.narrow_) sound = tails.load(in) && sound;
  if (!sound) return fail("snapshot_corrupt", "a series' state makes no sense");
  return made;
}

}  // namespace outrider::detectors
