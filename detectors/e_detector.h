// SPDX-License-Identifier: Apache-2.0
#pragma once

// Tempered mixture e-detector: has a model become worse than its reference, with a stated rate of
// false alarms? PURE, not thread-safe, O(1) memory.
//
// Idea. Every label says whether one prediction was wrong, e in {0,1}. While the model is no worse
// than promised, P(wrong | past) <= p0. For each of eight alternatives p_k > p0 the factor
//     L_k(1) = p_k / p0,   L_k(0) = (1 - p_k) / (1 - p0)
// has expectation <= 1 whatever the past: betting on "worse" cannot make money from a good model. A
// new bet is opened with every label, because nobody knows when the change comes, and the sum of
// all bets is
//     S_k <- (S_k + 1) L_k(e).
// The alarm is raised when mean_k S_k >= A. As E[mean_k S_k at label T] <= E[T] for every stopping
// time T, the expected number of labels to a false alarm is at least A, however often one looks.
//     p0      = upper Wilson bound (z = 2.33) of the reference error rate at n/deff labels, + slack
//     p_k     = p0 + 0.01 * 50^(k/7), k = 0..7, those below 1
//     L_k     is raised to 1/eta where errors come in bursts (below); eta = 1 otherwise
//     A       = max(1e6, label rate * D): "at most one false alarm in D"
//
// Paper: J. Shin, A. Ramdas, A. Rinaldo, "E-detectors: a nonparametric framework for sequential
// change detection", New England Journal of Statistics in Data Science, 2024. The recursion is
// their Shiryaev-Roberts e-detector with a finite mixture of baseline increments; the increments
// are the Bernoulli likelihood ratios, the same as 1 + lambda_k (e - p0) with lambda_k = (p_k - p0)
// / (p0 (1 - p0)), which is also the variant for a loss in [0,1].
//
// Where we deviate, and what the guarantee then is.
// - eta = 1: the guarantee is a theorem as long as P(wrong | past) <= p0 for every label. p0 is
//   estimated, so it holds when the true rate is below the bound: for 99 of 100 references even
//   before the slack is added.
// - Errors in bursts break P(wrong | past) <= p0 although the average holds. Where the reference
//   shows a design effect deff = Var(sums of 256 labels) / (256 p (1-p)) that chance does not
//   explain, each factor is tempered: L^(1/eta), eta = 1.5 deff. That is empirical
//   (scripts/bench detectors), no theorem.
// - Labels that arrive selectively (frauds are reported first, the rest never) are no sample of
//   the predictions and void every guarantee.
// - The sums are kept as plain doubles, not logarithms: nothing is ever subtracted, so they are as
//   exact, and a label costs nanoseconds rather than eight exponentials. They stop growing at
//   1e300, which can only delay an alarm that is long since raised, and never raise one.
//
// When did it begin? Each alternative keeps its CUSUM, C_k <- max(0, C_k + ln L_k(e)). The change
// is taken to begin after the last label at which the CUSUM of the leading alternative (largest
// S_k) was 0. At the alarm that label is fixed; until it is cleared, change() counts the labels
// since then by correctness. This is the "72 %" of "fell from 95% to 72%".
//
// When is it over? With a new model version (a new detector), or when the labels after the alarm
// prove by themselves that the model is back: a second e-detector, whose null is "still wrong in p0
// or more of the cases" and whose alternatives lie at p0 - m {1/2, 1, 2}, m = p0 - reference
// rate, reaches `recovery_run_length`. Everything starts anew then.
//
// Cost: update() 5 to 10 ns, update_loss() some 0.3 us. The evidence is 64 B; with CUSUMs and
// change estimate a label works on 400 B; the whole object with its tables is under 1 KiB.
//
// Worked example (test/detectors/e_detector_test.cpp computes it by hand). p0 = 0.10, first
// alternative p_0 = 0.11: L(1) = 1.1, L(0) = 0.98889. Labels wrong, right, wrong:
//     S_0: (0+1)*1.1 = 1.1;  (1.1+1)*0.98889 = 2.07667;  (2.07667+1)*1.1 = 3.38433.
//
//   auto settings = settings_from(reference, {.slack = 0.01});         // p0, eta from the reference
//   auto detector = EDetector::make(*settings);
//   if (detector->update(wrong, predicted_at_ms) == AlarmEvent::raised) …
//   detector->change().accuracy();                               // 0.72
//
// Where it fails. A fall by less than the slack is not seen, by intent. A slow fall is seen late. A
// small fall needs a good reference: at least 5 000 labels to see 0.95 -> 0.93. A model that was
// wrong in more than 98 % of the cases cannot be watched ("error_rate_too_high").

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/core/clock.h"
#include "base/core/result.h"

namespace outrider::detectors {

// The upper end of Wilson's score interval for a proportion of `rate` in `n` trials (n may be
// fractional: the labels divided by the design effect). z = 2.33 is one-sided 99 %. O(1). Source:
// E. B. Wilson, "Probable inference", JASA 22 (1927).
double wilson_upper(double rate, double n, double z = 2.33);

// What is known of a model's errors before it is watched: from training's held-out rows, or learned
// from the first labels. A loss in [0,1] takes the place of the error rate where that is watched.
struct ErrorReference {
  double error_rate = 0;     // Mean of the errors or losses.
  double labels = 0;         // How many there were.
  double design_effect = 1;  // Var(sums of 256)/(256 Var); 1 where it could not be estimated.

  bool operator==(const ErrorReference&) const = default;
};

// Estimates an ErrorReference from a model's errors in the order of their predictions. O(1) memory
// and time a label. Under 512 labels there are no two blocks, and the design effect is 1.
class ErrorReferenceEstimator {
 public:
  static constexpr std::uint64_t block_labels = 256;

  void add(bool wrong) { add_loss(wrong ? 1.0 : 0.0); }
  void add_loss(double loss);  // In [0,1]; other values and NaN are not counted but in refused().
  ErrorReference estimate() const;
  std::uint64_t labels() const { return labels_; }
  std::uint64_t refused() const { return refused_; }

  std::string serialise() const;
  static Result<ErrorReferenceEstimator> restore(std::string_view bytes);  // Errors: snapshot_*.

 private:
  std::uint64_t labels_ = 0, refused_ = 0, blocks_ = 0;
  double sum_ = 0, squares_ = 0;
  double block_sum_ = 0;
  double block_mean_ = 0, block_deviations_ = 0;  // Welford's, over whole blocks.
};

struct EDetectorSettings {
  double null_rate = 0;              // p0: up to here the model is as good as promised.
  double reference_rate = 0;         // The reference's error rate, <= null_rate.
  double tempering = 1;              // eta, >= 1.
  double alarm_run_length = 1e6;     // A: labels to a false alarm, at least, in expectation.
  double recovery_run_length = 1e5;  // Labels to a false all-clear of a model at p0, likewise.

  bool operator==(const EDetectorSettings&) const = default;
};

struct WatchOptions {
  double slack = 0.01;  // Added to the bound; at least the daily swing of the accuracy.
  double alarm_run_length = 1e6;
};

// p0 and eta from a reference, as the head of this file says. Errors: "bad_reference" (a rate
// outside [0,1], no labels, a design effect that is no positive number), "bad_slack" (outside [0,
// 0.5]).
Result<EDetectorSettings> settings_from(const ErrorReference& reference, WatchOptions options = {});

// The tempering for a design effect estimated on so many labels: 1.5 deff when it exceeds
// 1 + 2.33 sqrt(2 / (blocks - 1)), else 1.
double tempering_for(double design_effect, double labels);

// A for "at most one false alarm in `period`" at that many labels a second: max(1e6, rate *
// period).
double alarm_run_length(double labels_per_second, Duration period);

enum class AlarmEvent { none, raised, cleared };

// The labels since the estimated beginning of the change.
struct ChangeEstimate {
  std::int64_t first = 0;    // The stamp of the first label of the change; 0 when there is none.
  std::uint64_t labels = 0;  // 0: nothing points to a change.
  double losses = 0;         // How many of them were wrong (or the sum of their losses).

  double wrong() const { return losses; }
  double correct() const { return static_cast<double>(labels) - losses; }
  double accuracy() const { return labels == 0 ? 1.0 : correct() / static_cast<double>(labels); }

  bool operator==(const ChangeEstimate&) const = default;
};

class EDetector {
 public:
  static constexpr std::size_t components = 8;
  static constexpr std::size_t recovery_components = 3;
  static constexpr double evidence_max = 1e300;

  // Errors: "bad_settings", "error_rate_too_high" (p0 + 0.01 >= 1 leaves no alternative).
  static Result<EDetector> make(const EDetectorSettings& settings);

  // One label. `stamp` is whatever the change should be told in: a row number, a prediction's time
  // in milliseconds; change().first gives it back.
  AlarmEvent update(bool wrong, std::int64_t stamp = 0);
  // One loss in [0,1]. Anything else, and NaN, changes nothing but refused(). The factors are those
  // of update() for 0 and 1, so both may be mixed.
  AlarmEvent update_loss(double loss, std::int64_t stamp = 0);

  bool alarm() const { return alarm_; }
  double evidence() const;        // mean_k S_k, at most 1e300; 0 before the first label.
  double evidence_log10() const;  // -infinity before the first label. Pods' evidences are averaged
                                  // before the logarithm; then the fleet's is an e-detector again.
  ChangeEstimate change() const;

  std::uint64_t labels() const { return labels_; }    // Since made; no restart clears it.
  std::uint64_t alarms() const { return alarms_; }    // Likewise.
  std::uint64_t refused() const { return refused_; }  // Likewise.
  const EDetectorSettings& settings() const { return settings_; }
  // ln L_k(wrong) / eta, k < components: what one label does to alternative k. Linear in counts, so
  // that whoever sums labels over replicas can run this very detector on the sums (alerts/).
  // -infinity for both where p_k >= 1, as that alternative is left out.
  double log_weight(std::size_t k, bool wrong) const { return log_factor_[wrong][k]; }

  // The label rate became known or changed. At least 1; evidence so far is kept.
  void set_alarm_run_length(double labels);
  // Forgets evidence, alarm and change, keeps settings and totals.
  void restart();

  // The settings are part of the state. Errors of restore: snapshot_*; its settings are for the
  // caller to compare with those wanted now.
  std::string serialise() const;
  static Result<EDetector> restore(std::string_view bytes);

 private:
  using Row = std::array<double, components>;
  using RecoveryRow = std::array<double, recovery_components>;

  explicit EDetector(const EDetectorSettings& settings);
  std::size_t leading() const;
  bool is_consistent() const;
  AlarmEvent advance(const Row& factors, const Row& logs, const RecoveryRow& recovery_factors,
                     double loss, std::int64_t stamp);
  void note_beginnings(const Row& logs, std::int64_t stamp);
  AlarmEvent raise();
  AlarmEvent look_for_recovery(const RecoveryRow& factors);

  // Where a CUSUM left 0: the stamp of that label, and the totals before it.
  struct Beginning {
    std::int64_t stamp = 0;
    std::uint64_t labels = 0;
    double losses = 0;
  };

  EDetectorSettings settings_;
  double component_weight_ = 0;      // 1 / number of alternatives below 1.
  std::array<Row, 2> factor_{};      // L_k(0) and L_k(1), tempered; 0 for those left out.
  std::array<Row, 2> log_factor_{};  // Their logarithms.
  std::array<RecoveryRow, 2> recovery_factor_{};

  Row sum_{};                                      // S_k: the evidence.
  Row cusum_{};                                    // C_k.
  std::array<Beginning, components> beginning_{};  // Of C_k's last departure from 0.
  RecoveryRow recovery_sum_{};
  std::uint64_t labels_ = 0, alarms_ = 0, refused_ = 0;
  double losses_ = 0;
  bool alarm_ = false;
  Beginning change_;  // As fixed by the alarm.
};

}  // namespace outrider::detectors
