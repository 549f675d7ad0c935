// SPDX-License-Identifier: Apache-2.0
#pragma once

// Series score: how unusual is the newest sample of one time series, given its own past?
//
// Idea. Five plain questions are asked of every sample, and each answer is compared with all the
//   answers that this very series gave before:
//     range   how far from the slow level, in robust deviations?       (novelty)
//     spike   how large is the step from the sample before?
//     hour    how far from what this hour of the day is used to?       (from the eighth day on)
//     shift   where does the short mean of the last dozen stand?       (level shift)
//     spread  how much livelier, or quieter, than usual?               (variance change)
//   An answer's surprise is half rank, half distance:
//     rank      -log10 of the share of past answers on its side that were at least as far out. Beyond the farthest ever
//               seen it goes on growing, by one decade per decade of distance. It assumes no
//               distribution, but what an earlier incident reached is usual to it.
//     distance  0.65 x the standard deviations of that same answer over seven days, spikes included, 15 at most. An earlier
//               incident widens them, and is forgotten after a week.
//   `hour` and `spread` count 0.8: a profile is less sure than a level, and liveliness echoes what
//   others saw. The sample's evidence is the greatest surprise + 0.2 x the others, which rewards
//   agreement, less 0.4; what is beyond 3.2 decades counts 0.4, so that a budget can still tell the
//   greatest apart.
//   - What is rare in a short past is less remarkable than in a long one: 0.45 log10 n is taken off
//     (of the ranks' half), so the evidence speaks about "in all that was seen" rather than "in a
//     random sample".
//   - In the first day up to 1.5 decades are taken off, less and less: most hours are new then.
//   - Habituation: each past episode of about this height or more takes some of the evidence away
//     (0.4 log10(1 + n) + 0.1 n), and is itself forgotten with a half-life of 30 days. A weekly job
//     that looks like an incident pages a few times, not for ever.
//   - Refractory period: after an episode's first sample, for a day (or 12 samples, if longer) only
//     evidence that is higher by a whole step scores again. One episode is one anomaly at every
//     threshold.
// Parameters. None to fit per series. The constants were chosen on plateaus over 31 series of NAB
//   and 33 of a cloud's metrics (docs/series.md, docs/decisions/0035-half-rank-half-distance.md).
// Cost. 752 bytes, no heap; about 150 ns a sample. add() is O(1).
// Example. After two weeks of values near 50, give or take 5, each 5 minutes, a 400 scores 0.56 or
//   more; a 400 soon after a twentieth of that.
// Causal. A score depends on this sample and those before it, and on nothing else. Multiplying the
//   series by a power of two changes no score; adding a constant changes none beyond rounding, as
//   long as the series varies at all.
// Source. Conformal anomaly detection (Laxhammar & Falkman 2010) over histograms that age; the
//   questions follow Numenta's windowed tail likelihood (Ahmad et al. 2017) and CAD OSE's advice to
//   deduplicate. Aging by halving: Ben-Haim & Tom-Tov's streaming histograms do alike.
// Fails. An anomaly that is only a wrong order of usual values; a rhythm other than a day's; the
//   first days, when everything is new: below 20 samples nothing is scored.
//
// PURE, not thread-safe, trivially copyable.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/core/result.h"
#include "detectors/answer_memory.h"
#include "detectors/episode_habits.h"
#include "detectors/hour_profile.h"
#include "detectors/snapshot.h"

namespace outrider::detectors {

struct SeriesScore {
  double score =
      0;  // In [0, 1]: evidence / 6.4, and a twentieth of that within the refractory period.
  double evidence = 0;                  // In [0, 6.4], in steps of 0.4 decades.
  Question question = Question::range;  // Which of them was most surprised.
  bool up = true;                       // On which side.
  double expected = 0;                  // What the most surprised question would have found usual.
};

class SeriesScorer {
 public:
  // Evidence comes in as many steps, so that thresholds are few and an episode grows seldom.
  static constexpr int steps_max = EpisodeHabits::steps_max;

  // NaN (a staleness marker among them) and infinities are no samples: they score 0 and teach
  // nothing.
  SeriesScore add(std::int64_t timestamp_ms, double value);

  std::uint64_t samples() const { return samples_; }
  std::int64_t last_ms() const { return last_ms_; }
  double usual_interval_seconds() const { return interval_; }

  void save(SnapshotWriter& out) const;
  // Reads what save() wrote. Whether the bytes were whole is the reader's to say (finish());
  // fields that make no sense are refused here: "snapshot_corrupt".
  static Result<SeriesScorer> load(SnapshotReader& in);

 private:
  using Answers = AnswerMemory::Answers;
  using Surprises = AnswerMemory::Surprises;

  // What save() writes and load() reads, in one order.
  template <class Self>
  static auto numbers(Self& self) {
    return std::array{&self.interval_,     &self.level_,      &self.deviation_,
                      &self.before_,       &self.short_mean_, &self.profile_.usual_,
                      &self.short_spread_, &self.long_spread_};
  }

  void begin(std::int64_t timestamp_ms, double value);
  Answers ask(float x, float scale, bool after_gap);
  void follow(float x, std::size_t hour, float scale);
  float evidence_of(const Surprises& surprise, std::size_t most, std::int64_t timestamp_ms) const;
  float warm_up_discount(std::int64_t now_ms) const;

  double anchor_ = 0;  // The first value: all below is relative to it, so that floats are enough.
  std::int64_t first_ms_ = 0;
  std::int64_t last_ms_ = 0;
  std::uint32_t samples_ = 0;
  float interval_ = 300;  // Seconds between samples, usually.
  float level_ = 0;
  float deviation_ = 0;
  float before_ = 0;
  float short_mean_ = 0;
  float short_spread_ = 0;
  float long_spread_ = 0;
  HourProfile profile_;
  AnswerMemory answers_;
  EpisodeHabits episodes_;
};

}  // namespace outrider::detectors
