// SPDX-License-Identifier: Apache-2.0
#include "detectors/subject_judge.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "detectors/chi_square.h"
#include "detectors/psi.h"
#include "detectors/rank_test.h"

namespace outrider::detectors {
namespace {

constexpr auto five_minutes = std::chrono::minutes(5);
constexpr double agreement_min = 0.5;

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

}  // namespace

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

SubjectJudge::SubjectJudge(std::shared_ptr<const Reference> reference, const DriftRule& rule)
    : reference_(std::move(reference)),
      rule_(rule),
      frozen_(subjects_of(*reference_)),
      first_score_(reference_->features.size() + (reference_->prediction ? 1 : 0)),
      dispersions_(frozen_.size()),
      designs_(frozen_.size()) {
  if (rule_.by_hours) rhythm_.emplace(frozen_, reference_->timed ? &*reference_->timed : nullptr);
}

SubjectJudge::ByHours SubjectJudge::hours_of(std::span<const Rhythm::Part> parts) const {
  if (!rhythm_) return std::nullopt;
  Hours hours;
  hours.shifts[0] = rhythm_->expect(parts);
  if (!hours.shifts[0].learned) return hours;  // Nor are the others.
  hours.shifts[1] = rhythm_->expect(parts, -1);
  hours.shifts[2] = rhythm_->expect(parts, 1);
  return hours;
}

// Rows that came evenly enough.
SubjectJudge::ByHours SubjectJudge::hours_between(Time since, Time until) const {
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
SubjectJudge::Judged SubjectJudge::judge_subject(std::size_t subject, const BinCounts& live,
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

std::vector<Verdict> SubjectJudge::judge(const Live& live, const ByHours& hours,
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
Verdict SubjectJudge::judge_multivariate(const Live& live, const ByHours& hours) const {
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

bool SubjectJudge::agree(std::size_t verdict, const Live& window, const Hours& window_hours,
                         const Live& newest, const Hours& newest_hours) const {
  const bool multivariate = verdict >= first_score_;
  const std::size_t first = multivariate ? first_score_ : verdict;
  const std::size_t last = multivariate ? frozen_.size() : verdict + 1;
  double along = 0, square = 0;
  for (std::size_t i = first; i < last; ++i) {
    const FrozenSubject& frozen = *frozen_[i];
    const auto whole = deviations(frozen, window(i), rhythm_->expected(i, window_hours.shifts[0]));
    const auto recent = deviations(frozen, newest(i), rhythm_->expected(i, newest_hours.shifts[0]));
    for (std::size_t b = 0; b < whole.size(); ++b) {
      along += whole[b] * recent[b];
      square += whole[b] * whole[b];
    }
  }
  return along > agreement_min * square;
}

void SubjectJudge::note_batches(std::size_t subject, std::size_t length,
                                const BatchVariance& variance) {
  dispersions_[subject].add(length, variance);
  designs_[subject] = dispersions_[subject].effect();
}

std::string SubjectJudge::fingerprint() const {
  std::string all;
  for (const FrozenSubject* subject : frozen_) all += subject->name + "=" + subject->hash + "\n";
  return all;
}

void SubjectJudge::write_dispersions(SnapshotWriter& out) const {
  for (const Dispersion& dispersion : dispersions_) dispersion.write(out);
}

void SubjectJudge::write_rhythm(SnapshotWriter& out) const {
  out.boolean(rhythm_.has_value());
  if (rhythm_) rhythm_->write(out);
}

bool SubjectJudge::read_dispersions(SnapshotReader& in) {
  bool sound = true;
  for (std::size_t i = 0; i < dispersions_.size(); ++i) {
    Dispersion read;
    sound = sound && Dispersion::read(in, read);
    dispersions_[i] = read;
    designs_[i] = read.effect();
  }
  return sound;
}

bool SubjectJudge::read_rhythm(SnapshotReader& in) {
  return in.boolean() == rhythm_.has_value() && (!rhythm_ || rhythm_->read(in));
}

std::size_t SubjectJudge::memory_bytes() const {
  return dispersions_.capacity() * sizeof(Dispersion) + designs_.capacity() * sizeof(DesignEffect) +
         (rhythm_ ? rhythm_->memory_bytes() : 0);
}

}  // namespace outrider::detectors
