// SPDX-License-Identifier: Apache-2.0
#include "detectors/version_watch.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <limits>

#include "detectors/chi_square.h"
#include "detectors/design_effect.h"
#include "detectors/psi.h"
#include "detectors/rank_test.h"
#include "detectors/value_reader.h"

namespace outrider::detectors {
namespace {

constexpr auto five_minutes = std::chrono::minutes(5);
constexpr std::uint64_t newest_rows_min =
    200;  // Of the newest hours, for the direction of their deviation.

Time five_minutes_of(Time now) {
  const Duration whole = five_minutes;
  return Time{now.time_since_epoch() / whole * whole};
}

bool out_of_range(const FrozenSubject& frozen, double x) {
  return x < frozen.low || x > frozen.high;  // NaN is missing, not out of range.
}

}  // namespace

// Of the judge's subjects in their order; the calibration's bins follow, but have no counts to
// compare with.
FrameLayout VersionWatch::layout_of(const SubjectJudge& judge) {
  FrameLayout layout;
  for (std::size_t i = 0; i < judge.subjects(); ++i) layout.add(judge.subject(i).bins.slots());
  const auto& calibration = judge.reference().calibration;
  if (calibration) layout.add(calibration->bins().slots());
  return layout;
}

std::uint64_t VersionWatch::pane_rows_min(const SubjectJudge& judge) {
  std::uint64_t rows = 0;
  for (std::size_t i = 0; i < judge.subjects(); ++i) {
    const std::size_t bins = judge.subject(i).bins.value_bins();
    rows = std::max<std::uint64_t>(rows, judge.rule().rows_per_bin * bins);
  }
  return rows;
}

VersionWatch::VersionWatch(std::shared_ptr<const Reference> reference, DriftRule rule)
    : judge_(std::move(reference), rule),
      calibration_(judge_.subjects()),
      pane_rows_min_(pane_rows_min(judge_)),
      panes_(layout_of(judge_)),
      joined_(panes_.layout()),
      totals_(panes_.layout()),
      quality_(judge_.reference().features.size()),
      projector_(judge_.reference().multivariate ? &*judge_.reference().multivariate : nullptr),
      board_(judge_all()),
      looks_(pane_rows_min_) {}

void VersionWatch::count_slot(std::size_t subject, std::size_t slot) {
  const std::size_t place = panes_.layout().offset(subject) + slot;
  std::uint32_t& count = panes_.open().counts[place];
  count += count != std::numeric_limits<std::uint32_t>::max() ? 1 : 0;
  totals_.count(place);
}

// Inline: of a row's some forty numbers each is counted here.
inline void VersionWatch::count_number(std::size_t subject, const Binning& bins, double x) {
  const std::size_t slot = bins.slot_of(x);
  count_slot(subject, slot);
  if (slot >= bins.value_bins()) return;
  const TailSums share = bins.tails_of(x);
  panes_.open().tails[subject].add(share);
  totals_.add_tail(subject, share);
}

inline void VersionWatch::observe_feature(std::size_t feature, const Value& value) {
  const FrozenSubject& frozen = judge_.subject(feature);
  Quality& quality = quality_[feature];
  if (frozen.bins.kind() == FeatureKind::numeric) {
    if (const auto number = as_number(value)) {
      quality.missing += *number != *number ? 1 : 0;
      quality.range += out_of_range(frozen, *number) ? 1 : 0;
      count_number(feature, frozen.bins, *number);
      return;
    }
  }
  const SlotOutcome outcome = frozen.bins.classify(value);
  quality.missing += outcome.missing ? 1 : 0;
  quality.type += outcome.wrong_type ? 1 : 0;
  quality.unseen += outcome.unseen ? 1 : 0;
  if (outcome.counted) count_slot(feature, outcome.slot);
}

Surprise VersionWatch::observe_multivariate(std::span<const Value> features) {
  const MultivariateReference& multivariate = *reference().multivariate;
  const Pca::Scores distance = projector_.project(features);
  const std::span<const double> z = projector_.z();
  const std::size_t first = judge_.first_score();
  const auto count = [&](std::size_t score, double x) {
    count_number(first + score, multivariate.scores[score].bins, x);
  };
  for (std::size_t j = 0; j < z.size(); ++j) count(j, z[j]);
  count(z.size(), distance.t2);
  count(z.size() + 1, distance.q);

  Surprise surprise;
  surprise.scored = true;
  surprise.score = std::max(distance.t2_shrunk, multivariate.tails.score(z));
  surprise.p = multivariate.anomaly.p_value(surprise.score);
  return surprise;
}

Surprise VersionWatch::observe(std::span<const Value> features, const Value& prediction,
                               double score, Time at) {
  if (panes_.due(at)) advance(at);
  ++rows_;
  ++panes_.open().rows;
  const Value none;
  for (std::size_t i = 0; i < reference().features.size(); ++i) {
    observe_feature(i, i < features.size() ? features[i] : none);
  }
  if (reference().prediction) {
    const SlotOutcome outcome = reference().prediction->bins.classify(prediction);
    const std::size_t subject = reference().features.size();
    const bool numeric = reference().prediction->bins.kind() == FeatureKind::numeric;
    const auto number = numeric ? as_number(prediction) : std::nullopt;
    if (outcome.counted && number) {
      count_number(subject, reference().prediction->bins, *number);
    } else if (outcome.counted) {
      count_slot(subject, outcome.slot);
    }
  }
  const auto& calibration = reference().calibration;
  if (calibration && score >= 0 && score <= 1) {
    count_number(calibration_, calibration->bins(), score);
  }
  return projector_.has_components() ? observe_multivariate(features) : Surprise{};
}

void VersionWatch::observe_counts(const Frame& rows, Time at) {
  advance(at);
  rows_ += rows.rows;
  panes_.open().add(rows);
  totals_.add(rows);
}

void VersionWatch::advance(Time now) {
  if (!panes_.due(now)) return;
  panes_.advance(
      now, [this](const Frame& pane, Time end) { on_pane(pane, end); },
      [this](const Frame& hour, Time end) { on_hour(hour, end); });
  look(now);
}

// At the end of a ten-second batch: the pane that is filling, if it has enough rows for its next
// look.
void VersionWatch::look(Time now) {
  const std::uint64_t rows = joined_.rows + panes_.filling().rows;
  const double share = looks_.due(rows);
  if (share <= 0) return;
  looks_.take(rows);
  const Time since = joined_.rows > 0 ? joined_since_ : five_minutes_of(now);
  board_.take_look(judge_.rule(), judge_.judge(
                                      [&](std::size_t i) {
                                        BinCounts counts = joined_.subject(panes_.layout(), i);
                                        counts.add(panes_.filling().subject(panes_.layout(), i));
                                        return counts;
                                      },
                                      judge_.hours_between(since, now), share));
}

void VersionWatch::on_pane(const Frame& pane, Time end) {
  using namespace std::chrono_literals;
  note_dispersion(pane, end);
  if (joined_.rows == 0) joined_since_ = end - 5min;
  joined_.add(pane);
  const bool enough = joined_.rows >= pane_rows_min_;
  if (!enough && end - joined_since_ < judge_.rule().join_max) return;
  board_.take_pane(judge_.rule(),
                   judge_.judge([&](std::size_t i) { return joined_.subject(panes_.layout(), i); },
                                judge_.hours_between(joined_since_, end), looks_.rest()));
  joined_.clear();
  looks_.begin();
}

// How the pane's ten-second batches differ among themselves, in fours, and it from the pane before.
void VersionWatch::note_dispersion(const Frame& pane, Time end) {
  using Counts = std::span<const std::uint32_t>;
  constexpr std::size_t joined = 4;
  const auto frames = panes_.batches(end);
  const Frame* before = panes_.five_minutes_before(end);
  std::vector<Counts> tens, fours, panes;
  std::vector<std::uint32_t> sums;
  for (std::size_t s = 0; s < judge_.subjects(); ++s) {
    const std::size_t offset = panes_.layout().offset(s);
    const std::size_t bins = judge_.subject(s).bins.value_bins();
    const auto counts = [&](const Frame& frame) {
      return Counts(frame.counts).subspan(offset, bins);
    };
    sums.assign(bins * (frames.size() / joined), 0);
    tens.clear();
    fours.clear();
    for (std::size_t i = 0; i < frames.size(); ++i) {
      tens.push_back(frames[i] ? counts(*frames[i]) : Counts{});
      const std::size_t group = i / joined * bins;
      for (std::size_t b = 0; b < tens.back().size() && group < sums.size(); ++b) {
        sums[group + b] += tens.back()[b];
      }
    }
    for (std::size_t i = 0; i < sums.size(); i += bins) {
      fours.push_back(Counts(sums).subspan(i, bins));
    }
    panes.assign(1, counts(pane));
    if (before) panes.push_back(counts(*before));
    judge_.note_batches(s, 0, batch_variance(tens));
    judge_.note_batches(s, 1, batch_variance(fours));
    judge_.note_batches(s, 2, batch_variance(panes));
  }
}

// Hours that have closed, the newest last, with what is expected of them.
struct VersionWatch::LongWindow {
  std::vector<const Frame*> frames;
  std::vector<Rhythm::Part> parts;
  std::uint64_t rows = 0;
  SubjectJudge::ByHours hours;

  BinCounts subject(const FrameLayout& layout, std::size_t subject) const {
    BinCounts sum = frames.front()->subject(layout, subject);
    for (std::size_t i = 1; i < frames.size(); ++i) sum.add(frames[i]->subject(layout, subject));
    return sum;
  }
};

void VersionWatch::on_hour(const Frame& hour, Time end) {
  using namespace std::chrono_literals;
  Rhythm* rhythm = judge_.rhythm();
  if (!rhythm) return;
  board_.begin_long();
  LongWindow window;
  LongWindow newest;  // Enough hours for a direction.
  for (std::size_t back = 1; back <= judge_.rule().long_hours.back(); ++back) {
    const Time began = end - static_cast<std::int64_t>(back) * Duration(1h);
    const Frame* frame = back == 1 ? &hour : panes_.hour(began);
    if (frame && frame->rows > 0) {
      window.frames.push_back(frame);
      window.parts.push_back({began + 30min, static_cast<double>(frame->rows)});
      window.rows += frame->rows;
    }
    if (newest.rows < newest_rows_min) newest = window;
    const auto& lengths = judge_.rule().long_hours;
    const bool judged = std::find(lengths.begin(), lengths.end(), back) != lengths.end();
    if (!judged || window.rows < pane_rows_min_) continue;
    window.hours = judge_.hours_of(window.parts);
    newest.hours = judge_.hours_of(newest.parts);
    judge_long(window, newest, back);
  }
  rhythm->learn(end - 1h, hour, panes_.layout());
  rhythm->prepare();
  board_.publish();
}

void VersionWatch::judge_long(const LongWindow& window, const LongWindow& newest,
                              std::size_t hours) {
  const double share = 1 / (24.0 * static_cast<double>(judge_.rule().long_hours.size()));
  const auto in_window = [&](std::size_t i) { return window.subject(panes_.layout(), i); };
  const auto in_newest = [&](std::size_t i) { return newest.subject(panes_.layout(), i); };
  auto verdicts = judge_.judge(in_window, window.hours, share);
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    if (!verdicts[i].exceeded ||
        !judge_.agree(i, in_window, *window.hours, in_newest, *newest.hours)) {
      continue;
    }
    verdicts[i].window_hours = hours;
    verdicts[i].state = State::drift;
    board_.put_long(i, std::move(verdicts[i]));
  }
}

FillingPane VersionWatch::filling_pane(Time now) const {
  using namespace std::chrono_literals;
  const Time begun = five_minutes_of(now);
  FillingPane pane;
  pane.since = joined_.rows > 0 ? joined_since_ : begun;
  pane.ends = begun + 5min;
  // A pane is judged at the first multiple of five minutes at which it has rows enough or is an
  // hour old.
  pane.ends_at_most = std::max(pane.ends, pane.since + judge_.rule().join_max);
  pane.rows = joined_.rows + panes_.filling().rows + panes_.open().rows;
  pane.look_at = looks_.next_rows();
  pane.verdicts = judge_.judge(
      [&](std::size_t i) {
        BinCounts counts = joined_.subject(panes_.layout(), i);
        counts.add(panes_.filling().subject(panes_.layout(), i));
        counts.add(panes_.open().subject(panes_.layout(), i));
        return counts;
      },
      judge_.hours_between(pane.since, std::max(now, pane.since)));
  return pane;
}

std::vector<Verdict> VersionWatch::judge(Window window) const {
  return judge_.judge([&](std::size_t i) { return panes_.sum(window, i); }, std::nullopt);
}

std::vector<Verdict> VersionWatch::judge_all() const {
  return judge_.judge([&](std::size_t i) { return totals(i); }, std::nullopt);
}

std::optional<double> VersionWatch::estimated_accuracy(Window window) const {
  if (!reference().calibration) return std::nullopt;
  const BinCounts live = panes_.sum(window, calibration_);
  return reference().calibration->estimate(live.values(reference().calibration->bins()));
}

std::optional<double> VersionWatch::estimated_accuracy() const {
  if (!reference().calibration) return std::nullopt;
  const BinCounts live = totals(calibration_);
  return reference().calibration->estimate(live.values(reference().calibration->bins()));
}

std::size_t VersionWatch::memory_bytes() const {
  return panes_.memory_bytes() + totals_.memory_bytes() + judge_.memory_bytes() +
         board_.memory_bytes() + joined_.counts.capacity() * sizeof(std::uint32_t) +
         joined_.tails.capacity() * sizeof(TailSums) + quality_.capacity() * sizeof(Quality) +
         sizeof(*this);
}

std::vector<Verdict> compare_versions(const VersionWatch& candidate, const VersionWatch& production,
                                      Window window) {
  std::vector<Verdict> verdicts;
  for (std::size_t i = 0; i < candidate.subjects(); ++i) {
    const FrozenSubject& frozen = candidate.subject(i);
    for (std::size_t j = 0; j < production.subjects(); ++j) {
      const FrozenSubject& other = production.subject(j);
      if (other.name != frozen.name || other.hash != frozen.hash) continue;
      const DesignEffect design = largest(candidate.judge_.design(i), production.judge_.design(j));
      verdicts.push_back(
          verdict_of(frozen, production.counts(window, j), candidate.counts(window, i), design));
    }
  }
  judge_pane(candidate.judge_.rule(), verdicts);
  return verdicts;
}

}  // namespace outrider::detectors
