// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/versions/accuracy.h"

#include <algorithm>
#include <cmath>

namespace outrider::monitor {
namespace {

constexpr std::string_view snapshot_kind = "OACC";
constexpr std::uint16_t snapshot_version = 1;

}  // namespace

std::string_view to_string(AccuracyState state) {
  switch (state) {
    case AccuracyState::warming_up:
      return "warming_up";
    case AccuracyState::stable:
      return "stable";
    case AccuracyState::drift:
      return "drift";
  }
  return "";
}

Result<void> Accuracy::watch(const detectors::ErrorReference& reference, bool provisional) {
  const auto wanted = detectors::settings_from(
      reference, {.slack = settings_.slack, .alarm_run_length = settings_.run_length_min});
  if (!wanted) return fail(wanted);
  auto detector = detectors::EDetector::make(*wanted);
  if (!detector) return fail(detector);
  // Counts of alarms belong to the version, not to the reference it is judged by.
  detector_ = std::move(*detector);
  reference_ = reference;
  provisional_ = provisional;
  return {};
}

Result<void> Accuracy::set_reference(const detectors::ErrorReference& reference) {
  if (reference_ && !provisional_ && *reference_ == reference) return {};
  return watch(reference, false);
}

detectors::AlarmEvent Accuracy::add(bool correct, Time predicted, Time now) {
  if (labels_++ == 0) first_label_ = now;
  windows_.add(now, correct);
  newest_predicted_ = std::max(newest_predicted_, predicted);
  if (detector_) return detector_->update(!correct, to_unix_ms(newest_predicted_));
  learning_.add(!correct);
  if (learning_.labels() >= settings_.provisional_labels) {
    // A rate that cannot be watched is not asked about again with each label.
    if (!watch(learning_.estimate(), true)) learning_ = {};
  }
  return detectors::AlarmEvent::none;
}

void Accuracy::adapt(Time now) {
  if (!detector_ || labels_ == 0) return;
  const OutcomeCounts hour = windows_.sum(Window::hour, now);
  const double seconds = std::clamp(to_seconds(now - first_label_), 60.0,
                                    to_seconds(windows_.covered(Window::hour, now)));
  const double rate = static_cast<double>(hour.labels()) / seconds;
  detector_->set_alarm_run_length(std::max(
      settings_.run_length_min, detectors::alarm_run_length(rate, settings_.false_alarm_every)));
}

void Accuracy::restart() {
  if (detector_) detector_->restart();
}

AccuracyState Accuracy::state() const {
  if (!detector_) return AccuracyState::warming_up;
  return detector_->alarm() ? AccuracyState::drift : AccuracyState::stable;
}

std::optional<double> Accuracy::reference_accuracy() const {
  if (!reference_) return std::nullopt;
  return 1 - reference_->error_rate;
}

std::optional<double> Accuracy::evidence_log10() const {
  if (!detector_ || detector_->evidence() <= 0) return std::nullopt;
  return detector_->evidence_log10();
}

std::optional<detectors::ChangeEstimate> Accuracy::change() const {
  if (!detector_) return std::nullopt;
  const detectors::ChangeEstimate change = detector_->change();
  if (change.labels == 0) return std::nullopt;
  return change;
}

std::optional<Time> Accuracy::newest_predicted() const {
  if (newest_predicted_ == Time{}) return std::nullopt;
  return newest_predicted_;
}

std::string Accuracy::serialise() const {
  detectors::SnapshotWriter out(snapshot_kind, snapshot_version);
  out.u64(labels_);
  out.i64(first_label_.time_since_epoch().count());
  windows_.write(out);
  out.boolean(provisional_);
  out.boolean(reference_.has_value());
  if (reference_) {
    out.f64(reference_->error_rate);
    out.f64(reference_->labels);
    out.f64(reference_->design_effect);
  }
  out.text(detector_ ? detector_->serialise() : std::string());
  out.text(learning_.serialise());
  return out.finish();
}

Result<void> Accuracy::restore(std::string_view bytes) {
  auto in = detectors::SnapshotReader::open(bytes, snapshot_kind, snapshot_version);
  if (!in) return fail(in);
  Accuracy fresh(settings_);
  fresh.labels_ = in->u64();
  fresh.first_label_ = Time{Duration{in->i64()}};
  fresh.windows_.read(*in);
  fresh.provisional_ = in->boolean();
  if (in->boolean()) {
    detectors::ErrorReference reference;
    reference.error_rate = in->f64();
    reference.labels = in->f64();
    reference.design_effect = in->f64();
    fresh.reference_ = reference;
  }
  const std::string_view detector = in->text();
  const std::string_view learning = in->text();
  if (auto whole = in->finish(); !whole) return fail(whole);
  auto estimator = detectors::ErrorReferenceEstimator::restore(learning);
  if (!estimator) return fail(estimator);
  fresh.learning_ = *estimator;
  if (!detector.empty()) {
    auto restored = detectors::EDetector::restore(detector);
    if (!restored) return fail(restored);
    fresh.detector_ = std::move(*restored);
  }
  // What is configured now holds: with another slack the null is another one, and evidence against
  // the old one says nothing.
  if (fresh.reference_ && fresh.detector_) {
    const auto wanted = detectors::settings_from(
        *fresh.reference_,
        {.slack = settings_.slack, .alarm_run_length = settings_.run_length_min});
    if (!wanted || wanted->null_rate != fresh.detector_->settings().null_rate ||
        wanted->tempering != fresh.detector_->settings().tempering) {
      if (auto ok = fresh.watch(*fresh.reference_, fresh.provisional_); !ok) return ok;
    }
  }
  *this = std::move(fresh);
  return {};
}

}  // namespace outrider::monitor
