// SPDX-License-Identifier: Apache-2.0
#pragma once

// Accuracy of one model version: is it as good as its reference promised? PURE, not thread-safe.
//
// The e-detector starts from the version's reference error rate. A version without one is
// `warming_up` and learns a provisional rate from its first labels; what it says from then on is
// marked provisional, because the model may have been bad from the start. When a reference comes
// later, the detector starts anew from it.
//
// The guarantee of the false-alarm rate supposes labels that are a fair sample: where bad cases are
// reported first or only, it is void (detectors/e_detector.h).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "detectors/e_detector.h"
#include "sidecar/monitor/versions/accuracy_windows.h"
#include "sidecar/monitor/versions/model_config.h"

namespace outrider::monitor {

enum class AccuracyState : std::uint8_t { warming_up, stable, drift };
std::string_view to_string(AccuracyState state);

class Accuracy {
 public:
  explicit Accuracy(const AccuracySettings& settings) : settings_(settings) {}

  // The version's own reference, from training. Restarts the detector when the reference is another
  // one. A reference that cannot be watched (an error rate near 1) leaves the version warming_up.
  Result<void> set_reference(const detectors::ErrorReference& reference);

  // One label. `predicted` is when the prediction was made: the change is told in its time. Labels
  // come out of order, and a late one must not date the change back to long before it: what counts
  // is the newest prediction that had a label by then, so that training gets few rows from before
  // the change.
  detectors::AlarmEvent add(bool correct, Time predicted, Time now);
  // Sets the alarm's run length from the rate of labels: now and then.
  void adapt(Time now);
  // Forgets evidence and alarm: the version is not in service any more, or is again.
  void restart();

  AccuracyState state() const;
  bool provisional() const { return provisional_; }
  bool alarm() const { return detector_ && detector_->alarm(); }
  std::uint64_t labels() const { return labels_; }
  // Of the reference; nothing while warming up.
  std::optional<double> reference_accuracy() const;
  std::optional<double> evidence_log10() const;
  // The labels since the estimated change; nothing when nothing points to one.
  std::optional<detectors::ChangeEstimate> change() const;
  // When the newest prediction was made that has a label; nothing before the first label of this
  // process.
  std::optional<Time> newest_predicted() const;
  const AccuracyWindows& windows() const { return windows_; }
  const detectors::EDetector* detector() const { return detector_ ? &*detector_ : nullptr; }

  std::string serialise() const;
  // Errors: snapshot_*; unchanged then.
  Result<void> restore(std::string_view bytes);

 private:
  Result<void> watch(const detectors::ErrorReference& reference, bool provisional);

  AccuracySettings settings_;
  std::optional<detectors::ErrorReference> reference_;
  bool provisional_ = false;
  std::optional<detectors::EDetector> detector_;
  detectors::ErrorReferenceEstimator learning_;
  AccuracyWindows windows_;
  std::uint64_t labels_ = 0;
  Time first_label_{};
  Time newest_predicted_{};
};

}  // namespace outrider::monitor
