// SPDX-License-Identifier: Apache-2.0
#pragma once

// The rhythm of a model version's subjects: how their distributions swing with the hour of the week
// around the reference's level, so that a season is not a drift.
//
// Idea. Each hour of the week (168, UTC, Monday 00:00 first) has a cell: the shares of the
//   subject's bins in that hour, over the weeks that were seen, from training rows with times or
//   from live ones. What is expected of some minutes is the reference's shares plus the deviation
//   of their hours, estimated by Gaussian-process regression (kriging) over the cells. The model of
//   a cell, in units of the standard deviation of one row's rank:
//     level + rhythm(h) + wander + irregular + sampling
//     rhythm     a part of the hour of the day (deviation 0.15, correlated over 6 h), one of the week (0.06, 48 h), one of
//                the hour of the week (0.05, 6 h); its mean over the reference's hours is 0
//     level      anything: what the week as a whole is, is never learned. It stays the reference's, so a shift or a
//                slow decline is not learned away
//     wander     what one week has and the next has not: deviation 0.3 / weeks^4, correlated over 24 h. What was
//                seen once may be a drift as well as a rhythm; what was seen twice is rhythm
//     irregular  variance 0.001 / weeks; sampling 1 / rows
//   Each week of an hour counts the same, however many rows it had, but for a few only: rows /
//   (rows + 11). The posterior mean is the expectation. Its variance is told in two parts: `noise`,
//   what sampling leaves (as rows: 1 / n), which widens the null of every test; and `unknown`, what
//   the cells do not tell yet, for which the alarm rule allows (drift_rule.h). An unknown rhythm's
//   mean over 24 hours is nearly 0, so a window of a day is judged as it always was.
// Early or late. A rhythm's edges need not lie at full hours, and clocks change twice a year: the
//   expectation of an hour before and of an hour later will do too (expect()'s shift); the caller
//   takes what explains the rows best.
// Bins. A cell holds the share of rows with a value, and of those the shares of at most ten groups
//   of bins: numeric bins in adjacent runs, categories the nine most frequent and the rest. Within
//   a group bins keep the reference's proportions.
// Memory. 168 x 11 shares of 16 bits a subject: 3.7 KB; 230 KB a version for the factorised 168 x
//   168 matrix.
// Cost. learn: O(slots) an hour. prepare: a Cholesky factorisation, 2 ms, at most once an hour.
//   expect: 0.1 ms. expected: O(168 x 10) a subject, 2 us. Nothing a row.
// Forgetting. The last eight weeks: a rhythm that changes is a drift first, and the rhythm a few
//   weeks later.
// Example. Nothing learned: weights 0, noise 0, unknown = 0.15^2 + 0.06^2 + 0.05^2 less its mean
//   over the week = 0.0170 of one hour, 0.0021 of a day. After one visit a week of all hours for
//   two weeks with 7 200 rows each: noise 0.0003, unknown 0.0003.
// Source. Rasmussen & Williams, Gaussian Processes for Machine Learning, 2006, chapters 2 and
//   5.4.3; periodic kernels: MacKay 1998.
// Fails. Seasons that are not of the day or the week: months, holidays. What moves in one hour of
//   the week only, within it. A rhythm larger than 0.5 standard deviations is a drift until it was
//   seen twice. A drift that itself comes each week at the same hours becomes rhythm after some
//   weeks. Bins of one group that swing against each other.
//
// Not thread-safe.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/core/clock.h"
#include "detectors/binning.h"
#include "detectors/panes.h"
#include "detectors/snapshot.h"

namespace outrider::detectors {

inline constexpr std::size_t week_hours = 168;
inline constexpr std::size_t rhythm_groups_max = 10;

// Monday 00:00 UTC is 0.
std::size_t hour_of_week(Time at);

// Which group a value bin is in, and how many there are. reference.json has counts by these groups.
std::size_t rhythm_groups(const Binning& bins);
std::size_t rhythm_group(const Binning& bins, std::size_t value_bin);

// What training rows with times tell: counts by hour of the week. Part of a Reference.
struct TimedCounts {
  std::array<std::uint64_t, week_hours> rows{};
  std::array<std::uint64_t, week_hours> weeks{};  // in how many weeks an hour had rows
  // One a subject, in the order of the watch: features, prediction, PCA scores. week_hours x
  // rhythm_groups(), hour by hour.
  std::vector<std::vector<std::uint32_t>> counts;
};

// How far a window's distribution may be from the reference's for reasons of its hours.
struct Expectation {
  std::array<double, week_hours> weights{};  // of the cells' deviations
  double noise = 0;                          // of a subject that all rows have, as 1 / rows
  double unknown = 0;                        // variance, in units of one row's
  bool learned = false;                      // false: weights are all 0
};

class Rhythm {
 public:
  using Subjects = std::vector<const FrozenSubject*>;
  // `subjects` outlive the rhythm. `timed` may be null, and must fit the subjects otherwise.
  Rhythm(Subjects subjects, const TimedCounts* timed);

  // An hour has closed: `frame` has its counts, the first subjects of `layout` being ours.
  void learn(Time hour_began, const Frame& frame, const FrameLayout& layout);
  // Before expect(): takes what was learned since into account.
  void prepare();

  // Rows of a window around a time.
  struct Part {
    Time at;  // their middle
    double rows = 0;
  };
  // What is expected of rows at these times, moved by so many hours: weights only are of the moved
  // ones.
  Expectation expect(std::span<const Part> parts, int shift = 0) const;
  // Of a subject: more than `noise` where rows lack it.
  double noise(std::size_t subject, const Expectation& expectation) const;
  // The reference's counts of a subject as expected, at the size at which sampling noise is that of
  // reference and rhythm together; the reference's own counts where nothing was learned.
  BinCounts expected(std::size_t subject, const Expectation& expectation) const;

  // Hours of the week that were seen in two weeks at least, and the share of the traffic that comes
  // in them.
  std::size_t hours_known() const;
  double share_known() const;
  bool known() const { return share_known() >= known_share; }
  bool from_training() const { return timed_; }

  std::size_t memory_bytes() const;
  void write(SnapshotWriter& out) const;
  // False when the bytes are no state of a rhythm of these subjects; unchanged then.
  bool read(SnapshotReader& in);

 private:
  static constexpr double known_share = 0.95;
  struct Factor;

  // The shares of the groups, then of the rows with a value: 0 when none ever had one.
  std::span<std::uint16_t> cell(std::size_t subject, std::size_t hour);
  std::span<const std::uint16_t> cell(std::size_t subject, std::size_t hour) const;
  bool seen(std::size_t subject, std::size_t hour) const;
  std::array<double, week_hours> traffic() const;
  void learn_cell(std::size_t subject, std::size_t hour, const Frame& frame,
                  const FrameLayout& layout, double gain);
  void take(const TimedCounts& timed);

  Subjects subjects_;
  std::vector<std::size_t> offsets_;        // of a subject's first cell; one more at the end
  std::vector<std::uint16_t> shares_;       // of 65 535: cells by subject and hour
  std::array<double, week_hours> rows_{};   // that would say as much as the cell does
  std::array<double, week_hours> weeks_{};  // that are in the cell
  std::array<double, week_hours>
      reference_hours_{};  // rows of the reference; all 0 when it has no times
  bool timed_ = false;
  std::int64_t first_hour_ = -1, last_hour_ = -1;  // learned from live rows, since 1970
  std::shared_ptr<const Factor> factor_;           // null before the first prepare()
  bool stale_ = true;
};

}  // namespace outrider::detectors
