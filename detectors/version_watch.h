// SPDX-License-Identifier: Apache-2.0
#pragma once

// VersionWatch: everything that detectors/ says of one model version's inputs and predictions,
// behind one object. The monitor holds one a version and calls observe() for each prediction.
//
//   VersionWatch watch(reference);                          // shared, frozen
//   const Surprise s = watch.observe(values, Value::of(price), score, at);
//   if (s.scored) anomaly_histogram.observe(-std::log10(s.p));
//   watch.advance(now);                                     // from a timer, each second or so
//   for (const Verdict& v : watch.verdicts()) …             // as of the last five-minute pane, or
//                                                           // of a look into the one that is
//                                                           filling
//   watch.totals(i)                                         // since the start: what counters
//   export
//
// Cost. observe: about 1 us at 20 numeric features, everything on. Memory: see panes.h; 1 000
//   features < 16 MiB.
// Hours. Each closed hour teaches the rhythm of every subject (rhythm.h), and panes are compared
//   with what is expected of their hours. Where the reference's rows had times it knows the rhythm
//   from the start.
// Rows that hang together. Each closed pane of five minutes tells the design effect of every
//   subject's rows (design_effect.h); verdicts are given it. What is judged as one pane without a
//   clock (judge_all() before any pane has closed) takes rows for independent ones.
// Canary. To judge a canary against production, give the canary a second VersionWatch over
//   *production's* reference, and compare_versions() the two: counts over the same bins. Subjects
//   whose reference hash differs are left out.
//
// Not thread-safe. Nothing here throws on any input.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "detectors/drift_rule.h"
#include "detectors/pane_looks.h"
#include "detectors/panes.h"
#include "detectors/reference.h"
#include "detectors/row_projector.h"
#include "detectors/subject_judge.h"
#include "detectors/subject_totals.h"
#include "detectors/verdict_board.h"

namespace outrider::detectors {

// Counts for outrider_feature_quality_total; `extra` is the caller's, who knows the unknown names.
struct Quality {
  std::uint64_t missing = 0;  // absent, null, NaN
  std::uint64_t type = 0;     // text where the reference has numbers; counted in no bin
  std::uint64_t range = 0;    // outside of what training saw, infinities included
  std::uint64_t unseen = 0;   // a category training never saw
  bool operator==(const Quality&) const = default;
};

// How unusual one prediction's inputs were.
struct Surprise {
  bool scored = false;  // false without a multivariate reference
  double p = 1;         // conformal: the share of reference rows at least as unusual
  double score = 0;     // the larger of T2 and tail score, on the reference's scale
};

// The pane that is filling: what will be judged next.
struct FillingPane {
  Time since{};                   // when it began
  Time ends{};                    // when five minutes are over next
  Time ends_at_most{};            // when it is judged at the latest, however few rows there are
  std::uint64_t rows = 0;         // so far
  std::uint64_t look_at = 0;      // rows of the next look into it
  std::vector<Verdict> verdicts;  // by what has come so far alone; votes for nothing
};

class VersionWatch {
 public:
  explicit VersionWatch(std::shared_ptr<const Reference> reference, DriftRule rule = {});

  const Reference& reference() const { return judge_.reference(); }

  // `features` in the order of reference().features: missing ones at the end may be left off,
  // surplus ones are ignored. `score` is the model's probability (calibration's kind), NaN when
  // there is none.
  Surprise observe(std::span<const Value> features, const Value& prediction, double score, Time at);

  // Counts of many rows at once, over the layout's bins: as another watch over the same reference
  // has them. Says nothing of their quality.
  void observe_counts(const Frame& rows, Time at);
  const FrameLayout& layout() const { return panes_.layout(); }

  // Closes panes that ended, and judges. Cheap when nothing did.
  void advance(Time now);

  // One a feature in order, then "prediction" and "multivariate" where the reference has them; as
  // of the last judged pane, or of a window of hours that calls it drift. A subject that exceeded
  // in a look into the pane that is filling, or was warming up, is as of that look. Before the
  // first look all are warming_up.
  const std::vector<Verdict>& verdicts() const { return board_.verdicts(); }
  // How many panes were judged, and how often verdicts() has changed: by a pane or by a look.
  std::uint64_t panes_judged() const { return board_.panes_judged(); }
  std::uint64_t judgements() const { return board_.judgements(); }
  FillingPane filling_pane(Time now) const;
  const Rhythm* rhythm() const { return judge_.rhythm(); }  // Null: not watched.
  // The verdicts of a whole window by that window alone, without the 2-of-3 rule (a status page).
  std::vector<Verdict> judge(Window window) const;
  // All that was ever observed as one pane (a backtest without a time column).
  std::vector<Verdict> judge_all() const;

  // Subjects that have exported bins: the features, then the prediction. totals() are since
  // construction and never restored, so that exported counters start at 0.
  std::size_t subjects() const { return judge_.first_score(); }
  const FrozenSubject& subject(std::size_t index) const { return judge_.subject(index); }
  BinCounts totals(std::size_t subject) const { return totals_.subject(layout(), subject); }
  const Quality& quality(std::size_t feature) const { return quality_[feature]; }
  BinCounts counts(Window window, std::size_t subject) const { return panes_.sum(window, subject); }
  std::uint64_t rows() const { return rows_; }
  std::uint64_t rows(Window window) const { return panes_.rows(window); }

  // Accuracy without labels; nothing without a calibration or before the first score.
  std::optional<double> estimated_accuracy(Window window) const;
  std::optional<double> estimated_accuracy() const;  // since construction

  std::size_t memory_bytes() const;

  // Windows, rule state and verdicts; not the totals. restore() refuses a state of another
  // reference
  // ("snapshot_foreign") and a cut or corrupt one, and leaves the watch as it was.
  std::string serialise() const;
  Result<void> restore(std::string_view bytes);

 private:
  friend std::vector<Verdict> compare_versions(const VersionWatch&, const VersionWatch&, Window);

  static FrameLayout layout_of(const SubjectJudge& judge);
  static std::uint64_t pane_rows_min(const SubjectJudge& judge);
  void count_number(std::size_t subject, const Binning& bins, double x);
  void count_slot(std::size_t subject, std::size_t slot);
  void observe_feature(std::size_t feature, const Value& value);
  Surprise observe_multivariate(std::span<const Value> features);
  struct LongWindow;
  void on_hour(const Frame& hour, Time end);
  void judge_long(const LongWindow& window, const LongWindow& newest, std::size_t hours);
  void on_pane(const Frame& pane, Time end);
  void note_dispersion(const Frame& pane, Time end);
  void look(Time now);
  struct Restored;
  static bool read_restored(SnapshotReader& in, Restored& to);

  SubjectJudge judge_;
  std::size_t calibration_ = 0;      // the layout's last subject, where there is a calibration
  std::uint64_t pane_rows_min_ = 0;  // 25 B of the subject with the most bins
  Panes panes_;
  Frame joined_;  // five-minute panes that were too small to judge alone
  Time joined_since_{};
  SubjectTotals totals_;
  std::vector<Quality> quality_;
  RowProjector projector_;
  VerdictBoard board_;
  PaneLooks looks_;
  std::uint64_t rows_ = 0;
};

// Two versions over the same bins: verdicts of `candidate` with `production` in the reference's
// place, by the window's counts alone (state is stable, drift or warming_up).
std::vector<Verdict> compare_versions(const VersionWatch& candidate, const VersionWatch& production,
                                      Window window);

}  // namespace outrider::detectors
