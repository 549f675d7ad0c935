// SPDX-License-Identifier: Apache-2.0
#pragma once

// VersionMonitor: everything that is known of one version of one model: counts, inputs against the
// reference, accuracy. PURE, not thread-safe.
//
// Inputs are judged by the version's own reference; without one, the first predictions become a
// provisional reference. Building that takes a moment (sorting, an eigen-decomposition), so it is
// not done here: take_learned() hands out the rows, somebody builds, and set_reference() brings the
// result.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "detectors/deciles.h"
#include "detectors/version_watch.h"
#include "reference/model_reference.h"
#include "reference/provisional.h"
#include "sidecar/monitor/decode/observation.h"
#include "sidecar/monitor/versions/accuracy.h"
#include "sidecar/monitor/versions/model_config.h"
#include "truth/correctness.h"
#include "truth/outcomes.h"
#include "truth/prediction.h"

namespace outrider::monitor {

using truth::Judgement;
using truth::Outcomes;
using truth::Tolerance;

struct VersionName {
  std::string model, version;
  auto operator<=>(const VersionName&) const = default;
};

// Buckets of -log10 p of a prediction's inputs.
inline constexpr double anomaly_buckets[] = {.25, .5, 1, 1.5, 2, 2.5, 3, 4};

using SharedReference = std::shared_ptr<const reference::ModelReference>;

class VersionMonitor {
 public:
  // The settings outlive the monitor, or it is given others.
  VersionMonitor(std::uint64_t serial, VersionName name, const ModelSettings& settings,
                 const Limits& limits, Time now);
  // Tolerance and kind hold from here on; what accuracy is judged by stays.
  void set_settings(const ModelSettings& settings) { settings_ = &settings; }

  const VersionName& name() const { return name_; }
  std::uint64_t serial() const { return serial_; }  // Never used twice; for caches.

  void observe(const decode::Observation& observation);
  // A judged label; `row.labelled` is the time. Changes the state, not yet the counters: those
  // advance with publish(), when the label is safe on disk.
  struct JudgedLabel {
    Judgement judgement;
    std::string segment;
    bool alarm_raised = false;
  };
  JudgedLabel judge(const truth::JoinedRow& row);
  void publish(const JudgedLabel& label);

  // Another reference, or none any more (then the provisional one goes on).
  void set_reference(SharedReference reference);
  // Before accuracy's state comes back from the disk; and after, when the reference has to hold
  // again.
  void reset_accuracy() { accuracy_ = Accuracy(settings_->accuracy); }
  void reapply_reference();
  // The rows learned so far, once there are enough of them; null before and afterwards.
  std::unique_ptr<reference::ProvisionalReference> take_learned();
  // What the rows learned so far take; null: none are kept.
  const reference::ProvisionalReference* learning_rows() const { return learning_.get(); }
  // Learning begins anew with the next prediction.
  void forget_learned();

  void advance(Time now);
  // Whether another version took the traffic over; then no alarm is raised, and a standing one
  // ends.
  void set_retired(bool retired);
  bool retired() const { return retired_; }
  // Idle for much longer than is usual for it.
  bool idle(Time now) const;
  Time last_active() const { return last_active_; }
  // It answered a prediction, or a label came for one: there is such a version.
  bool proven() const { return successes_ > 0 || accuracy_.labels() > 0; }

  // Of this process; counters start at 0.
  std::uint64_t successes() const { return successes_; }
  std::uint64_t failures() const { return failures_; }
  std::uint64_t alarms() const { return alarms_; }
  std::uint64_t extra_values() const { return extra_values_; }
  const Outcomes& outcomes() const { return outcomes_; }
  const Accuracy& accuracy() const { return accuracy_; }
  Accuracy& accuracy() { return accuracy_; }
  const SharedReference& reference() const { return reference_; }
  const detectors::VersionWatch* watch() const { return watch_.get(); }
  detectors::VersionWatch* watch() { return watch_.get(); }
  bool learning() const { return learning_ != nullptr; }
  std::span<const std::uint64_t> anomaly_counts() const { return anomaly_counts_; }
  double anomaly_sum() const { return anomaly_sum_; }
  bool is_classification() const;
  Tolerance tolerance() const;  // When a prediction of it counts as correct.

  // This version's inputs over another version's bins, to compare the two.
  void compare_with(const VersionMonitor* baseline);
  const std::vector<detectors::Verdict>& comparison_verdicts() const {
    return comparison_verdicts_;
  }
  const std::string& compared_with() const { return compared_with_; }  // A version; "" for none.
  std::size_t exported_features() const { return limits_.exported_features; }
  // How the counts of a subject of watch() are told by tenths of its reference.
  detectors::Deciles deciles_of(std::size_t subject) const {
    return detectors::Deciles(watch()->subject(subject));
  }

 private:
  // Where each of the reference's features stands in an observation's row.
  struct FeatureMap {
    std::vector<std::uint32_t> places;  // `absent`: not in the traffic.
    std::uint32_t extra = 0;            // Features that the reference does not know.
    bool identity = false;              // The row is in the reference's order already.
  };
  static constexpr std::uint32_t absent = UINT32_MAX;

  using FeatureMaps = std::unordered_map<std::uint64_t, FeatureMap>;
  const FeatureMap& map_of(FeatureMaps& maps, const std::vector<std::string>& wanted,
                           const decode::FeatureNames* names);
  void watch_row(const decode::Row& row, const decode::Observation& observation);
  void learn_row(const decode::Row& row, const decode::Observation& observation);
  std::span<const decode::FeatureValue> arranged(const FeatureMap& map, const decode::Row& row);

  const std::uint64_t serial_;
  const VersionName name_;
  const ModelSettings* settings_;
  const Limits& limits_;
  std::uint64_t successes_ = 0, failures_ = 0, alarms_ = 0, extra_values_ = 0;
  Time last_active_;
  double mean_gap_seconds_ = 0;
  bool retired_ = false;
  bool is_mixture() const { return name_.version == other_name; }

  SharedReference reference_;
  std::unique_ptr<detectors::VersionWatch> watch_;
  std::vector<std::string> watched_names_;
  std::unique_ptr<reference::ProvisionalReference> learning_;
  std::vector<std::string> learned_names_;
  bool learned_ = false;  // Handed out, or not wanted any more.
  std::unique_ptr<detectors::VersionWatch> comparison_;
  std::vector<std::string> compared_names_;
  std::string compared_with_;
  std::vector<detectors::Verdict> comparison_verdicts_;

  FeatureMaps watch_maps_, learning_maps_, comparison_maps_;
  std::vector<decode::FeatureValue> arranged_;
  std::array<std::uint64_t, std::size(anomaly_buckets) + 1> anomaly_counts_{};
  double anomaly_sum_ = 0;
  Accuracy accuracy_;
  Outcomes outcomes_;
};

}  // namespace outrider::monitor
