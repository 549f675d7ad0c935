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

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr auto five_minutes = std::chrono::minutes(5);
constexpr std::uint64_t newest_rows_min =
    200;  // Of the newest hours, for the direction of their deviation.
constexpr double agreement_min = 0.5;

Time five_minutes_of(Time now) {
  const Duration whole = five_minutes;
  return Time{now.time_since_epoch() / whole * whole};
}

// Of a value bin's share from the expected one, in units of its sampling deviation in one row.
std::vector<double> deviations(const FrozenSubject& frozen, const BinCounts& live,
                               const BinCounts& expected) {
  const CountSpan p = expected.values(frozen.bins), q = live.values(frozen.bins);
  const auto n = static_cast<double>(total(q)), m = static_cast<double>(total(p));
  std::vector<double> moved(p.size());
  if (n == 0 || m == 0) return moved;
  for (std::size_t b = 0; b < moved.size(); ++b) {
    const double share = (static_cast<double>(p[b]) + 0.5) / m;
    moved[b] = (static_cast<double>(q[b]) / n - static_cast<double>(p[b]) / m) / std::sqrt(share);
  }
  return moved;
}

// The subjects in the order of the frame layout; the calibration's bins follow, but have no counts
// to compare with.
std::vector<const FrozenSubject*> subjects_of(const Reference& reference) {
  std::vector<const FrozenSubject*> all;
  for (const FrozenSubject& feature : reference.features) all.push_back(&feature);
  if (reference.prediction) all.push_back(&*reference.prediction);
  if (reference.multivariate) {
    for (const FrozenSubject& score : reference.multivariate->scores) all.push_back(&score);
  }
  return all;
}

// A feature may be called as a subject of ours is; two series of one name would be refused by
// Prometheus.
std::string feature_subject(const std::string& name) {
  return name == "prediction" || name == "multivariate" ? name + "_feature" : name;
}

Verdict verdict_of(const FrozenSubject& frozen, const BinCounts& against, const BinCounts& live,
                   const DesignEffect& design) {
  Verdict verdict;
  verdict.subject = frozen.name;
  verdict.reference = frozen.hash;
  verdict.kind = frozen.bins.kind();
  verdict.bins = frozen.bins.value_bins();
  verdict.n = total(live.values(frozen.bins));
  verdict.m = total(against.values(frozen.bins));
  verdict.design = design;
  verdict.scores = compare(frozen.bins, against, frozen.deviation, live);
  verdict.scores.p = chi_square_p(verdict.scores.chi2, verdict.scores.degrees, design);
  return verdict;
}

// Whether it may exceed whatever its thresholds are: only then other hours are asked.
bool may_exceed(const DriftRule& rule, const Verdict& verdict) {
  const bool numeric = verdict.kind == FeatureKind::numeric;
  const double distance = numeric ? verdict.scores.ks : verdict.scores.l_infinity;
  return verdict.scores.p < 0.01 &&
         (distance > rule.ks_effect || verdict.scores.psi > rule.psi_effect);
}

void raise_distances(Scores& to, const Scores& from) {
  for (double Scores::*distance : {&Scores::psi, &Scores::psi_plain, &Scores::ks, &Scores::js,
                                   &Scores::hellinger, &Scores::l_infinity, &Scores::wasserstein}) {
    to.*distance = std::max(to.*distance, from.*distance);
  }
}

bool out_of_range(const FrozenSubject& frozen, double x) {
  return x < frozen.low || x > frozen.high;  // NaN is missing, not out of range.
}

}  // namespace

FrameLayout VersionWatch::layout_of(const Reference& reference) {
  FrameLayout layout;
  for (const FrozenSubject* subject : subjects_of(reference)) layout.add(subject->bins.slots());
  if (reference.calibration) layout.add(reference.calibration->bins().slots());
  return layout;
}

VersionWatch::VersionWatch(std::shared_ptr<const Reference> reference, DriftRule rule)
    : reference_(std::move(reference)),
      rule_(rule),
      frozen_(subjects_of(*reference_)),
      first_score_(reference_->features.size() + (reference_->prediction ? 1 : 0)),
      calibration_(frozen_.size()),
      panes_(layout_of(*reference_)),
      joined_(panes_.layout()),
      totals_(panes_.layout().slots()),
      total_tails_(panes_.layout().subjects()),
      quality_(reference_->features.size()),
      dispersions_(frozen_.size()),
      designs_(frozen_.size()),
      looks_(0) {
  for (const FrozenSubject* subject : frozen_) {
    pane_rows_min_ =
        std::max<std::uint64_t>(pane_rows_min_, rule_.rows_per_bin * subject->bins.value_bins());
  }
  looks_ = PaneLooks(pane_rows_min_);
  if (rule_.by_hours) rhythm_.emplace(frozen_, reference_->timed ? &*reference_->timed : nullptr);
  verdicts_ = pane_verdicts_ = judge_all();
  histories_.resize(verdicts_.size());
  voted_.resize(verdicts_.size());
  if (reference_->multivariate) {
    row_.resize(reference_->multivariate->features.size());
    z_.resize(reference_->multivariate->pca.components());
  }
}

void VersionWatch::count_slot(std::size_t subject, std::size_t slot) {
  const std::size_t place = panes_.layout().offset(subject) + slot;
  std::uint32_t& count = panes_.open().counts[place];
  count += count != std::numeric_limits<std::uint32_t>::max() ? 1 : 0;
  ++totals_[place];
}

void VersionWatch::count_number(std::size_t subject, double x) {
  const Binning& bins =
      subject < frozen_.size() ? frozen_[subject]->bins : reference_->calibration->bins();
  const std::size_t slot = bins.slot_of(x);
  count_slot(subject, slot);
  if (slot >= bins.value_bins()) return;
  const TailSums share = bins.tails_of(x);
  panes_.open().tails[subject].add(share);
  total_tails_[subject].add(share);
}

void VersionWatch::observe_feature(std::size_t feature, const Value& value) {
  const FrozenSubject& frozen = *frozen_[feature];
  Quality& quality = quality_[feature];
  if (frozen.bins.kind() == FeatureKind::numeric) {
    if (const auto number = as_number(value)) {
      quality.missing += *number != *number ? 1 : 0;
      quality.range += out_of_range(frozen, *number) ? 1 : 0;
      count_number(feature, *number);
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
  const MultivariateReference& multivariate = *reference_->multivariate;
  for (std::size_t i = 0; i < row_.size(); ++i) {
    const std::size_t feature = multivariate.features[i];
    row_[i] = feature < features.size() ? as_number(features[feature]).value_or(nan) : nan;
  }
  const Pca::Scores distance = multivariate.pca.project(row_, z_);
  for (std::size_t j = 0; j < z_.size(); ++j) count_number(first_score_ + j, z_[j]);
  count_number(first_score_ + z_.size(), distance.t2);
  count_number(first_score_ + z_.size() + 1, distance.q);

  Surprise surprise;
  surprise.scored = true;
  surprise.score = std::max(distance.t2_shrunk, multivariate.tails.score(z_));
  surprise.p = multivariate.anomaly.p_value(surprise.score);
  return surprise;
}

Surprise VersionWatch::observe(std::span<const Value> features, const Value& prediction,
                               double score, Time at) {
  if (panes_.due(at)) advance(at);
  ++rows_;
  ++panes_.open().rows;
  const Value none;
  for (std::size_t i = 0; i < reference_->features.size(); ++i) {
    observe_feature(i, i < features.size() ? features[i] : none);
  }
  if (reference_->prediction) {
    const SlotOutcome outcome = reference_->prediction->bins.classify(prediction);
    const std::size_t subject = reference_->features.size();
    const bool numeric = reference_->prediction->bins.kind() == FeatureKind::numeric;
    const auto number = numeric ? as_number(prediction) : std::nullopt;
    if (outcome.counted && number) {
      count_number(subject, *number);
    } else if (outcome.counted) {
      count_slot(subject, outcome.slot);
    }
  }
  if (reference_->calibration && score >= 0 && score <= 1) count_number(calibration_, score);
  return reference_->multivariate ? observe_multivariate(features) : Surprise{};
}

void VersionWatch::observe_counts(const Frame& rows, Time at) {
  advance(at);
  rows_ += rows.rows;
  panes_.open().add(rows);
  for (std::size_t i = 0; i < totals_.size(); ++i) totals_[i] += rows.counts[i];
  for (std::size_t i = 0; i < total_tails_.size(); ++i) total_tails_[i].add(rows.tails[i]);
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
  take_look(judge_counts(
      [&](std::size_t i) {
        BinCounts counts = joined_.subject(panes_.layout(), i);
        counts.add(panes_.filling().subject(panes_.layout(), i));
        return counts;
      },
      hours_between(since, now), share));
}

// A subject votes once a pane: by the first look in which it exceeds. One that does not exceed,
// yet, keeps the verdict of the pane before, which had more rows; unless there is none.
void VersionWatch::take_look(std::vector<Verdict> look) {
  bool changed = false;
  for (std::size_t i = 0; i < look.size(); ++i) {
    const bool first = pane_verdicts_[i].state == State::warming_up;
    if (voted_[i] || look[i].state == State::warming_up || !(look[i].exceeded || first)) continue;
    PaneHistory history = histories_[i];  // It moves on when the pane ends.
    look[i].state = history.next(rule_, look[i]);
    voted_[i] = look[i].exceeded;
    pane_verdicts_[i] = std::move(look[i]);
    changed = true;
  }
  if (changed) publish();
}

void VersionWatch::on_pane(const Frame& pane, Time end) {
  using namespace std::chrono_literals;
  note_dispersion(pane, end);
  if (joined_.rows == 0) joined_since_ = end - 5min;
  joined_.add(pane);
  const bool enough = joined_.rows >= pane_rows_min_;
  if (!enough && end - joined_since_ < rule_.join_max) return;
  take(judge_counts([&](std::size_t i) { return joined_.subject(panes_.layout(), i); },
                    hours_between(joined_since_, end), looks_.rest()));
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
  for (std::size_t s = 0; s < frozen_.size(); ++s) {
    const std::size_t offset = panes_.layout().offset(s), bins = frozen_[s]->bins.value_bins();
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
    dispersions_[s].add(0, batch_variance(tens));
    dispersions_[s].add(1, batch_variance(fours));
    dispersions_[s].add(2, batch_variance(panes));
    designs_[s] = dispersions_[s].effect();
  }
}

// A pane's verdicts become those of the watch: what had enough rows moves its history on, and the
// history gives the state. What voted in a look keeps that look's scores: they are why it voted.
void VersionWatch::take(std::vector<Verdict> pane) {
  for (std::size_t i = 0; i < pane.size(); ++i) {
    if (voted_[i]) pane[i] = std::move(pane_verdicts_[i]);
    voted_[i] = false;
    if (pane[i].state == State::warming_up) continue;
    pane[i].state = histories_[i].next(rule_, pane[i]);
  }
  pane_verdicts_ = std::move(pane);
  ++panes_judged_;
  publish();
}

// A long window that calls a subject drift speaks louder than a pane that does not.
void VersionWatch::publish() {
  verdicts_ = pane_verdicts_;
  for (const auto& [i, verdict] : long_verdicts_) {
    if (verdicts_[i].state != State::drift) verdicts_[i] = verdict;
  }
  ++judgements_;
}

VersionWatch::ByHours VersionWatch::hours_of(std::span<const Rhythm::Part> parts) const {
  if (!rhythm_) return std::nullopt;
  Hours hours;
  hours.shifts[0] = rhythm_->expect(parts);
  if (!hours.shifts[0].learned) return hours;  // Nor are the others.
  hours.shifts[1] = rhythm_->expect(parts, -1);
  hours.shifts[2] = rhythm_->expect(parts, 1);
  return hours;
}

// Rows that came evenly enough.
VersionWatch::ByHours VersionWatch::hours_between(Time since, Time until) const {
  constexpr int parts_max = 24;
  const Duration length = std::max<Duration>(until - since, Duration{1});
  const auto count = std::clamp<std::int64_t>(length / five_minutes, 1, parts_max);
  std::array<Rhythm::Part, parts_max> parts;
  for (std::int64_t i = 0; i < count; ++i) {
    parts[static_cast<std::size_t>(i)] = {since + length / (2 * count) * (2 * i + 1), 1};
  }
  return hours_of(std::span(parts).first(static_cast<std::size_t>(count)));
}

// The subject beside what is expected of the hours, or of those before or after, whichever explains
// it best.
VersionWatch::Judged VersionWatch::judge_subject(std::size_t subject, const BinCounts& live,
                                                 const ByHours& hours) const {
  const FrozenSubject& frozen = *frozen_[subject];
  const DesignEffect& design = designs_[subject];
  if (!hours) return {verdict_of(frozen, frozen.counts, live, design), frozen.counts};
  Judged best;
  for (const Expectation& expectation : hours->shifts) {
    Judged judged{{}, rhythm_->expected(subject, expectation)};
    judged.verdict = verdict_of(frozen, judged.against, live, design);
    const bool better = judged.verdict.scores.p > best.verdict.scores.p;
    if (&expectation == &hours->shifts[0] || better) best = std::move(judged);
    if (!expectation.learned || !may_exceed(rule_, best.verdict)) break;
  }
  best.verdict.m = total(frozen.counts.values(frozen.bins));
  best.verdict.hours = {rhythm_->noise(subject, hours->shifts[0]), hours->shifts[0].unknown};
  return best;
}

// Hours that have closed, the newest last, with what is expected of them.
struct VersionWatch::LongWindow {
  std::vector<const Frame*> frames;
  std::vector<Rhythm::Part> parts;
  std::uint64_t rows = 0;
  ByHours hours;

  BinCounts subject(const FrameLayout& layout, std::size_t subject) const {
    BinCounts sum = frames.front()->subject(layout, subject);
    for (std::size_t i = 1; i < frames.size(); ++i) sum.add(frames[i]->subject(layout, subject));
    return sum;
  }
};

void VersionWatch::on_hour(const Frame& hour, Time end) {
  using namespace std::chrono_literals;
  if (!rhythm_) return;
  long_verdicts_.clear();
  LongWindow window;
  LongWindow newest;  // Enough hours for a direction.
  for (std::size_t back = 1; back <= rule_.long_hours.back(); ++back) {
    const Time began = end - static_cast<std::int64_t>(back) * Duration(1h);
    const Frame* frame = back == 1 ? &hour : panes_.hour(began);
    if (frame && frame->rows > 0) {
      window.frames.push_back(frame);
      window.parts.push_back({began + 30min, static_cast<double>(frame->rows)});
      window.rows += frame->rows;
    }
    if (newest.rows < newest_rows_min) newest = window;
    const auto& lengths = rule_.long_hours;
    const bool judged = std::find(lengths.begin(), lengths.end(), back) != lengths.end();
    if (!judged || window.rows < pane_rows_min_) continue;
    window.hours = hours_of(window.parts);
    newest.hours = hours_of(newest.parts);
    judge_long(window, newest, back);
  }
  rhythm_->learn(end - 1h, hour, panes_.layout());
  rhythm_->prepare();
  publish();
}

void VersionWatch::judge_long(const LongWindow& window, const LongWindow& newest,
                              std::size_t hours) {
  const double share = 1 / (24.0 * static_cast<double>(rule_.long_hours.size()));
  auto verdicts = judge_counts([&](std::size_t i) { return window.subject(panes_.layout(), i); },
                               window.hours, share);
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    if (!verdicts[i].exceeded || !newest_agrees(i, window, newest)) continue;
    verdicts[i].window_hours = hours;
    verdicts[i].state = State::drift;
    long_verdicts_.insert_or_assign(i, std::move(verdicts[i]));
  }
}

// Whether the newest hours deviate as the window does: a drift that has passed is not one for a
// day.
bool VersionWatch::newest_agrees(std::size_t verdict, const LongWindow& window,
                                 const LongWindow& newest) const {
  const bool multivariate = verdict >= first_score_;
  const std::size_t first = multivariate ? first_score_ : verdict;
  const std::size_t last = multivariate ? frozen_.size() : verdict + 1;
  double along = 0, square = 0;
  for (std::size_t i = first; i < last; ++i) {
    const FrozenSubject& frozen = *frozen_[i];
    const auto whole = deviations(frozen, window.subject(panes_.layout(), i),
                                  rhythm_->expected(i, window.hours->shifts[0]));
    const auto recent = deviations(frozen, newest.subject(panes_.layout(), i),
                                   rhythm_->expected(i, newest.hours->shifts[0]));
    for (std::size_t b = 0; b < whole.size(); ++b) {
      along += whole[b] * recent[b];
      square += whole[b] * whole[b];
    }
  }
  return along > agreement_min * square;
}

FillingPane VersionWatch::filling_pane(Time now) const {
  using namespace std::chrono_literals;
  const Time begun = five_minutes_of(now);
  FillingPane pane;
  pane.since = joined_.rows > 0 ? joined_since_ : begun;
  pane.ends = begun + 5min;
  // A pane is judged at the first multiple of five minutes at which it has rows enough or is an
  // hour old.
  pane.ends_at_most = std::max(pane.ends, pane.since + rule_.join_max);
  pane.rows = joined_.rows + panes_.filling().rows + panes_.open().rows;
  pane.look_at = looks_.next_rows();
  pane.verdicts = judge_counts(
      [&](std::size_t i) {
        BinCounts counts = joined_.subject(panes_.layout(), i);
        counts.add(panes_.filling().subject(panes_.layout(), i));
        counts.add(panes_.open().subject(panes_.layout(), i));
        return counts;
      },
      hours_between(pane.since, std::max(now, pane.since)));
  return pane;
}

template <class Live>
std::vector<Verdict> VersionWatch::judge_counts(Live live, const ByHours& hours,
                                                double share) const {
  std::vector<Verdict> verdicts;
  for (std::size_t i = 0; i < first_score_; ++i) {
    verdicts.push_back(judge_subject(i, live(i), hours).verdict);
    if (i < reference_->features.size()) {
      verdicts.back().subject = feature_subject(frozen_[i]->name);
    }
  }
  if (reference_->multivariate) verdicts.push_back(judge_multivariate(live, hours));
  judge_pane(rule_, verdicts, share);
  return verdicts;
}

// The multivariate subject stands for all components, T2 and Q. Its distances are the largest of
// theirs; its p-value is Bonferroni's over all of them and over two tests each: chi-square, which
// sees any change, and the rank test, which needs fewer rows for a shift or a widening. Its chi2 is
// the statistic with that p-value.
template <class Live>
Verdict VersionWatch::judge_multivariate(Live live, const ByHours& hours) const {
  const auto& components = reference_->multivariate->scores;
  Verdict worst;
  Scores farthest;
  DesignEffect most;
  double p_min = 2;
  for (std::size_t j = 0; j < components.size(); ++j) {
    const FrozenSubject& frozen = components[j];
    const BinCounts counts = live(first_score_ + j);
    const DesignEffect& design = designs_[first_score_ + j];
    const Judged judged = judge_subject(first_score_ + j, counts, hours);
    const Verdict& verdict = judged.verdict;
    const RankTest ranks =
        rank_test(judged.against.values(frozen.bins), counts.values(frozen.bins));
    const double ranks_chi2 = ranks.location * ranks.location + ranks.spread * ranks.spread;
    const double p = std::min(verdict.scores.p, chi_square_p(ranks_chi2 / design.rank, 2));
    most = largest(most, design);
    raise_distances(farthest, verdict.scores);
    if (p < p_min) worst = verdict;
    p_min = std::min(p, p_min);
  }
  const double tests = 2.0 * static_cast<double>(components.size());
  farthest.degrees = worst.scores.degrees;
  farthest.p = std::min(1.0, tests * p_min);
  farthest.chi2 =
      farthest.p > 0 ? chi_square_critical(farthest.p, farthest.degrees, most) : worst.scores.chi2;
  worst.scores = farthest;
  worst.design = most;
  worst.subject = "multivariate";
  return worst;
}

std::vector<Verdict> VersionWatch::judge(Window window) const {
  return judge_counts([&](std::size_t i) { return panes_.sum(window, i); }, std::nullopt);
}

std::vector<Verdict> VersionWatch::judge_all() const {
  return judge_counts([&](std::size_t i) { return totals(i); }, std::nullopt);
}

BinCounts VersionWatch::totals(std::size_t subject) const {
  const FrameLayout& layout = panes_.layout();
  const auto begin = totals_.begin() + static_cast<std::ptrdiff_t>(layout.offset(subject));
  return {{begin, begin + static_cast<std::ptrdiff_t>(layout.slots_of(subject))},
          total_tails_[subject]};
}

std::optional<double> VersionWatch::estimated_accuracy(Window window) const {
  if (!reference_->calibration) return std::nullopt;
  const BinCounts live = panes_.sum(window, calibration_);
  return reference_->calibration->estimate(live.values(reference_->calibration->bins()));
}

std::optional<double> VersionWatch::estimated_accuracy() const {
  if (!reference_->calibration) return std::nullopt;
  const BinCounts live = totals(calibration_);
  return reference_->calibration->estimate(live.values(reference_->calibration->bins()));
}

std::size_t VersionWatch::memory_bytes() const {
  return panes_.memory_bytes() + totals_.capacity() * sizeof(std::uint64_t) +
         total_tails_.capacity() * sizeof(TailSums) +
         joined_.counts.capacity() * sizeof(std::uint32_t) +
         joined_.tails.capacity() * sizeof(TailSums) + quality_.capacity() * sizeof(Quality) +
         dispersions_.capacity() * sizeof(Dispersion) + designs_.capacity() * sizeof(DesignEffect) +
         (verdicts_.capacity() + pane_verdicts_.capacity()) * sizeof(Verdict) +
         (rhythm_ ? rhythm_->memory_bytes() : 0) + sizeof(*this);
}

std::vector<Verdict> compare_versions(const VersionWatch& candidate, const VersionWatch& production,
                                      Window window) {
  std::vector<Verdict> verdicts;
  for (std::size_t i = 0; i < candidate.subjects(); ++i) {
    const FrozenSubject& frozen = candidate.subject(i);
    for (std::size_t j = 0; j < production.subjects(); ++j) {
      const FrozenSubject& other = production.subject(j);
      if (other.name != frozen.name || other.hash != frozen.hash) continue;
      const DesignEffect design = largest(candidate.designs_[i], production.designs_[j]);
      verdicts.push_back(
          verdict_of(frozen, production.counts(window, j), candidate.counts(window, i), design));
    }
  }
  judge_pane(candidate.rule_, verdicts);
  return verdicts;
}

}  // namespace outrider::detectors
