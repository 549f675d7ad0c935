// SPDX-License-Identifier: Apache-2.0
#include "detectors/e_detector.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/core/text.h"
#include "detectors/snapshot.h"

namespace outrider::detectors {
namespace {

constexpr std::string_view detector_kind = "EDET";
constexpr std::string_view reference_kind = "EREF";
constexpr std::uint16_t snapshot_version = 1;

constexpr double smallest_step = 0.01;
constexpr double largest_to_smallest = 50;
constexpr double run_length_default = 1e6;
constexpr double run_length_max =
    1e100;  // Far below evidence_max, so that saturation hides no alarm.
constexpr double saturation = EDetector::evidence_max / EDetector::components;
constexpr double slack_max = 0.5;
constexpr double tempering_max = 1e6;
constexpr double null_rate_min = 1e-6;  // Below it a single error would be proof of anything.

// Recovery is looked for at these multiples of (p0 - reference rate) below p0.
constexpr std::array<double, EDetector::recovery_components> recovery_steps{0.5, 1, 2};
constexpr double recovery_margin_min = 0.05;  // Of p0, where slack and bound leave no margin.
constexpr double recovery_rate_min = 0.02;    // Of p0: no alternative is nearer to 0.

double step(std::size_t k) {
  constexpr auto last = static_cast<double>(EDetector::components - 1);
  return smallest_step * std::pow(largest_to_smallest, static_cast<double>(k) / last);
}

double recovery_rate(const EDetectorSettings& settings, std::size_t j) {
  const double p0 = settings.null_rate;
  const double margin = std::max(p0 - settings.reference_rate, recovery_margin_min * p0);
  return std::max(p0 - recovery_steps[j] * margin, recovery_rate_min * p0);
}

// The factor by which a loss changes the evidence for the rate `p` against the rate `p0`; for a
// loss of 0 or 1 it is Bernoulli's likelihood ratio.
double likelihood(double p, double p0, double loss, double tempering) {
  const double lambda = (p - p0) / (p0 * (1 - p0));
  return std::pow(1 + lambda * (loss - p0), 1 / tempering);
}

bool is_rate(double value) {
  return value >= 0 && value <= 1;
}
bool is_run_length(double value) {
  return value >= 1 && value <= run_length_max;
}

Failure bad(std::string_view code, std::string_view name, double value, std::string_view expected) {
  return fail(
      code, std::string(name) + "=" + format_double(value) + ": expected " + std::string(expected));
}

Result<void> check(const EDetectorSettings& settings) {
  const double p0 = settings.null_rate;
  if (!(p0 >= null_rate_min && p0 < 1)) {
    return bad("bad_settings", "null_rate", p0, "a number from 1e-6 to 0.99");
  }
  if (!(p0 + smallest_step < 1)) {
    return bad("error_rate_too_high", "null_rate", p0,
               "less than 0.99; a model that is nearly always wrong cannot be seen to get worse");
  }
  if (!(settings.reference_rate >= 0 && settings.reference_rate <= p0)) {
    return bad("bad_settings", "reference_rate", settings.reference_rate, "0 to null_rate");
  }
  if (!(settings.tempering >= 1 && settings.tempering <= tempering_max)) {
    return bad("bad_settings", "tempering", settings.tempering, "1 to 1e6");
  }
  if (!is_run_length(settings.alarm_run_length)) {
    return bad("bad_settings", "alarm_run_length", settings.alarm_run_length, "1 to 1e100 labels");
  }
  if (!is_run_length(settings.recovery_run_length)) {
    return bad("bad_settings", "recovery_run_length", settings.recovery_run_length,
               "1 to 1e100 labels");
  }
  return {};
}

// Summed by halves: a chain of eight additions would take longer than all the rest of a label.
double total(const std::array<double, EDetector::components>& row) {
  static_assert(EDetector::components == 8);
  const std::array<double, 4> half{row[0] + row[4], row[1] + row[5], row[2] + row[6],
                                   row[3] + row[7]};
  return (half[0] + half[2]) + (half[1] + half[3]);
}

// A sum of bets: finite, never negative, never beyond the cap.
template <std::size_t n>
bool is_evidence(const std::array<double, n>& row) {
  return std::all_of(row.begin(), row.end(),
                     [](double s) { return s >= 0 && s <= EDetector::evidence_max; });
}

}  // namespace

double wilson_upper(double rate, double n, double z) {
  const double z2 = z * z;
  const double centre = rate + z2 / (2 * n);
  const double half = z * std::sqrt((rate * (1 - rate) + z2 / (4 * n)) / n);
  return std::min(1.0, (centre + half) / (1 + z2 / n));
}

double tempering_for(double design_effect, double labels) {
  const double blocks = std::floor(labels / ErrorReferenceEstimator::block_labels);
  if (blocks < 2) return 1;
  const double by_chance = 1 + 2.33 * std::sqrt(2 / (blocks - 1));
  return design_effect > by_chance ? 1.5 * design_effect : 1;
}

double alarm_run_length(double labels_per_second, Duration period) {
  const double labels = labels_per_second * to_seconds(period);
  return labels > run_length_default ? std::min(labels, run_length_max) : run_length_default;
}

Result<EDetectorSettings> settings_from(const ErrorReference& reference, WatchOptions options) {
  if (!is_rate(reference.error_rate)) {
    return bad("bad_reference", "error_rate", reference.error_rate, "a number between 0 and 1");
  }
  if (!(reference.labels >= 1 && std::isfinite(reference.labels))) {
    return bad("bad_reference", "labels", reference.labels, "at least 1 label in the reference");
  }
  if (!(reference.design_effect > 0 && std::isfinite(reference.design_effect))) {
    return bad("bad_reference", "design_effect", reference.design_effect, "a number above 0");
  }
  if (!(options.slack >= 0 && options.slack <= slack_max)) {
    return bad("bad_slack", "slack", options.slack, "0 to 0.5");
  }
  // A design effect below 1 would claim to know more than independent labels tell.
  const double n = reference.labels / std::max(1.0, reference.design_effect);
  EDetectorSettings settings;
  settings.null_rate =
      std::max(null_rate_min, wilson_upper(reference.error_rate, n) + options.slack);
  settings.reference_rate = reference.error_rate;
  settings.tempering = tempering_for(reference.design_effect, reference.labels);
  settings.alarm_run_length = options.alarm_run_length;
  if (auto checked = check(settings); !checked) return fail(checked);
  return settings;
}

void ErrorReferenceEstimator::add_loss(double loss) {
  if (!is_rate(loss)) {
    ++refused_;
    return;
  }
  ++labels_;
  sum_ += loss;
  squares_ += loss * loss;
  block_sum_ += loss;
  if (labels_ % block_labels != 0) return;
  ++blocks_;
  const double deviation = block_sum_ - block_mean_;
  block_mean_ += deviation / static_cast<double>(blocks_);
  block_deviations_ += deviation * (block_sum_ - block_mean_);
  block_sum_ = 0;
}

ErrorReference ErrorReferenceEstimator::estimate() const {
  ErrorReference reference;
  if (labels_ == 0) return reference;
  const auto n = static_cast<double>(labels_);
  reference.labels = n;
  reference.error_rate = sum_ / n;
  const double variance = squares_ / n - reference.error_rate * reference.error_rate;
  if (blocks_ >= 2 && variance > 1e-12) {
    const double block_variance = block_deviations_ / static_cast<double>(blocks_ - 1);
    const double effect = block_variance / (static_cast<double>(block_labels) * variance);
    if (effect > 0) reference.design_effect = effect;
  }
  return reference;
}

std::string ErrorReferenceEstimator::serialise() const {
  SnapshotWriter out(reference_kind, snapshot_version);
  for (const std::uint64_t count : {labels_, refused_, blocks_}) out.u64(count);
  for (const double value : {sum_, squares_, block_sum_, block_mean_, block_deviations_}) {
    out.f64(value);
  }
  return out.finish();
}

Result<ErrorReferenceEstimator> ErrorReferenceEstimator::restore(std::string_view bytes) {
  auto in = SnapshotReader::open(bytes, reference_kind, snapshot_version);
  if (!in) return fail(in);
  ErrorReferenceEstimator restored;
  for (std::uint64_t* count : {&restored.labels_, &restored.refused_, &restored.blocks_}) {
    *count = in->count();
  }
  bool sane = restored.blocks_ == restored.labels_ / block_labels;
  const auto n = static_cast<double>(restored.labels_);
  for (double* value : {&restored.sum_, &restored.squares_, &restored.block_sum_,
                        &restored.block_mean_, &restored.block_deviations_}) {
    *value = in->f64();
    sane = sane && *value >= 0 && std::isfinite(*value);
  }
  if (auto whole = in->finish(); !whole) return fail(whole);
  if (!sane || restored.sum_ > n || restored.squares_ > restored.sum_ ||
      restored.block_sum_ > static_cast<double>(block_labels) ||
      restored.block_mean_ > static_cast<double>(block_labels)) {
    return fail("snapshot_corrupt",
                "error reference: its counts contradict each other. Starting afresh");
  }
  return restored;
}

Result<EDetector> EDetector::make(const EDetectorSettings& settings) {
  if (auto checked = check(settings); !checked) return fail(checked);
  return EDetector(settings);
}

EDetector::EDetector(const EDetectorSettings& settings) : settings_(settings) {
  const double p0 = settings.null_rate;
  std::size_t kept = 0;
  for (std::size_t k = 0; k < components; ++k) {
    const double p = p0 + step(k);
    if (p < 1) ++kept;
    for (const int wrong : {0, 1}) {
      // A factor of 0 keeps an alternative of no meaning at no evidence, without a branch.
      factor_[wrong][k] = p < 1 ? likelihood(p, p0, wrong, settings.tempering) : 0;
      log_factor_[wrong][k] = std::log(factor_[wrong][k]);
    }
  }
  component_weight_ = 1 / static_cast<double>(kept);
  for (std::size_t j = 0; j < recovery_components; ++j) {
    for (const int wrong : {0, 1}) {
      recovery_factor_[wrong][j] =
          likelihood(recovery_rate(settings, j), p0, wrong, settings.tempering);
    }
  }
}

AlarmEvent EDetector::update(bool wrong, std::int64_t stamp) {
  return advance(factor_[wrong], log_factor_[wrong], recovery_factor_[wrong], wrong ? 1.0 : 0.0,
                 stamp);
}

AlarmEvent EDetector::update_loss(double loss, std::int64_t stamp) {
  if (!is_rate(loss)) {
    ++refused_;
    return AlarmEvent::none;
  }
  if (loss == 0 || loss == 1) return update(loss == 1, stamp);
  const double p0 = settings_.null_rate;
  Row factors{}, logs{};
  RecoveryRow recovery_factors{};
  for (std::size_t k = 0; k < components; ++k) {
    const double p = p0 + step(k);
    factors[k] = p < 1 ? likelihood(p, p0, loss, settings_.tempering) : 0;
    logs[k] = std::log(factors[k]);
  }
  for (std::size_t j = 0; j < recovery_components; ++j) {
    recovery_factors[j] = likelihood(recovery_rate(settings_, j), p0, loss, settings_.tempering);
  }
  return advance(factors, logs, recovery_factors, loss, stamp);
}

AlarmEvent EDetector::advance(const Row& factors, const Row& logs,
                              const RecoveryRow& recovery_factors, double loss,
                              std::int64_t stamp) {
  if (loss > 0) note_beginnings(logs, stamp);
  ++labels_;
  losses_ += loss;
  // Copies, so that the compiler knows that nothing overlaps, and uses vector instructions.
  Row sum = sum_, cusum = cusum_;
  for (std::size_t k = 0; k < components; ++k) {
    sum[k] = (sum[k] + 1) * factors[k];
    cusum[k] = std::max(cusum[k] + logs[k], 0.0);
  }
  sum_ = sum;
  cusum_ = cusum;
  const double evidence = total(sum) * component_weight_;
  if (evidence < settings_.alarm_run_length && !alarm_) return AlarmEvent::none;
  if (evidence > saturation) {
    for (double& s : sum_) s = std::min(s, evidence_max);
  }
  return alarm_ ? look_for_recovery(recovery_factors) : raise();
}

// A CUSUM leaves 0 only with a loss, so that the many right predictions need not look.
void EDetector::note_beginnings(const Row& logs, std::int64_t stamp) {
  for (std::size_t k = 0; k < components; ++k) {
    if (cusum_[k] == 0 && logs[k] > 0) beginning_[k] = {stamp, labels_, losses_};
  }
}

AlarmEvent EDetector::raise() {
  const std::size_t k = leading();
  alarm_ = true;
  ++alarms_;
  // A CUSUM of 0 at the alarm takes an A of a few labels; then the change begins with the next.
  change_ = cusum_[k] > 0 ? beginning_[k] : Beginning{0, labels_, losses_};
  return AlarmEvent::raised;
}

AlarmEvent EDetector::look_for_recovery(const RecoveryRow& factors) {
  for (std::size_t j = 0; j < recovery_components; ++j) {
    recovery_sum_[j] = std::min((recovery_sum_[j] + 1) * factors[j], evidence_max);
  }
  const double recovery = std::accumulate(recovery_sum_.begin(), recovery_sum_.end(), 0.0) /
                          static_cast<double>(recovery_components);
  if (recovery < settings_.recovery_run_length) return AlarmEvent::none;
  restart();
  return AlarmEvent::cleared;
}

std::size_t EDetector::leading() const {
  return static_cast<std::size_t>(std::max_element(sum_.begin(), sum_.end()) - sum_.begin());
}

double EDetector::evidence() const {
  return total(sum_) * component_weight_;
}

double EDetector::evidence_log10() const {
  return std::log10(evidence());
}

ChangeEstimate EDetector::change() const {
  const std::size_t k = leading();
  if (!alarm_ && cusum_[k] == 0) return {};
  const Beginning& beginning = alarm_ ? change_ : beginning_[k];
  ChangeEstimate change;
  change.labels = labels_ - beginning.labels;
  if (change.labels == 0) return {};
  change.first = beginning.stamp;
  change.losses = losses_ - beginning.losses;
  return change;
}

void EDetector::set_alarm_run_length(double labels) {
  if (is_run_length(labels)) settings_.alarm_run_length = labels;
}

void EDetector::restart() {
  sum_.fill(0);
  cusum_.fill(0);
  beginning_.fill({});
  recovery_sum_.fill(0);
  alarm_ = false;
  change_ = {};
}

std::string EDetector::serialise() const {
  SnapshotWriter out(detector_kind, snapshot_version);
  for (const double value : {settings_.null_rate, settings_.reference_rate, settings_.tempering,
                             settings_.alarm_run_length, settings_.recovery_run_length}) {
    out.f64(value);
  }
  for (const Row* row : {&sum_, &cusum_}) {
    for (const double value : *row) out.f64(value);
  }
  for (const double value : recovery_sum_) out.f64(value);
  for (const std::uint64_t count : {labels_, alarms_, refused_}) out.u64(count);
  out.f64(losses_);
  out.boolean(alarm_);
  const auto write = [&out](const Beginning& beginning) {
    out.i64(beginning.stamp);
    out.u64(beginning.labels);
    out.f64(beginning.losses);
  };
  for (const Beginning& beginning : beginning_) write(beginning);
  write(change_);
  return out.finish();
}

Result<EDetector> EDetector::restore(std::string_view bytes) {
  auto in = SnapshotReader::open(bytes, detector_kind, snapshot_version);
  if (!in) return fail(in);
  EDetectorSettings settings;
  for (double* value : {&settings.null_rate, &settings.reference_rate, &settings.tempering,
                        &settings.alarm_run_length, &settings.recovery_run_length}) {
    *value = in->f64();
  }
  if (auto checked = check(settings); !checked) {
    return fail("snapshot_corrupt", "e-detector: " + checked.error().message + ". Starting afresh");
  }
  EDetector restored(settings);
  for (Row* row : {&restored.sum_, &restored.cusum_}) {
    for (double& value : *row) value = in->f64();
  }
  for (double& value : restored.recovery_sum_) value = in->f64();
  for (std::uint64_t* count : {&restored.labels_, &restored.alarms_, &restored.refused_}) {
    *count = in->count();
  }
  restored.losses_ = in->f64();
  restored.alarm_ = in->boolean();
  const auto read = [&in](Beginning& beginning) {
    beginning = {in->i64(), in->count(), in->f64()};
  };
  for (Beginning& beginning : restored.beginning_) read(beginning);
  read(restored.change_);
  if (auto whole = in->finish(); !whole) return fail(whole);
  if (!restored.is_consistent()) {
    return fail("snapshot_corrupt", "e-detector: its sums contradict each other. Starting afresh");
  }
  return restored;
}

bool EDetector::is_consistent() const {
  const auto is_past = [this](const Beginning& beginning) {
    return beginning.labels <= labels_ && beginning.losses >= 0 && beginning.losses <= losses_;
  };
  return is_evidence(sum_) && is_evidence(cusum_) && is_evidence(recovery_sum_) && losses_ >= 0 &&
         losses_ <= static_cast<double>(labels_) && is_past(change_) &&
         std::all_of(beginning_.begin(), beginning_.end(), is_past);
}

}  // namespace outrider::detectors
