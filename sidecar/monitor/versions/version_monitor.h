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
#include <utility>
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
  const reference::ProvisionalReference* learning_rows() const { return learning_.rows.get(); }
  // Learning begins anew with the next prediction.
  void forget_learned();

  void advance(Time now);
  // Whether another version took the traffic over; then no alarm is raised, and a standing one
  // ends.
  void set_retired(bool retired);
  bool retired() const { return retired_; }
  // Idle for much longer than is usual for it.
  bool idle(Time now) const;
  Time last_active() const { return pace_.last_active; }
  // It answered a prediction, or a label came for one: there is such a version.
  bool proven() const { return counts_.successes > 0 || accuracy_.labels() > 0; }

  // Of this process; counters start at 0.
  std::uint64_t successes() const { return counts_.successes; }
  std::uint64_t failures() const { return counts_.failures; }
  std::uint64_t alarms() const { return counts_.alarms; }
  std::uint64_t extra_values() const { return counts_.extra_values; }
  const Outcomes& outcomes() const { return outcomes_; }
  const Accuracy& accuracy() const { return accuracy_; }
  Accuracy& accuracy() { return accuracy_; }
  const SharedReference& reference() const { return reference_; }
  const detectors::VersionWatch* watch() const { return watched_.watch.get(); }
  detectors::VersionWatch* watch() { return watched_.watch.get(); }
  bool learning() const { return learning_.rows != nullptr; }
  std::span<const std::uint64_t> anomaly_counts() const { return anomalies_.counts; }
  double anomaly_sum() const { return anomalies_.sum; }
  bool is_classification() const;
  Tolerance tolerance() const;  // When a prediction of it counts as correct.

  // This version's inputs over another version's bins, to compare the two.
  void compare_with(const VersionMonitor* baseline);
  const std::vector<detectors::Verdict>& comparison_verdicts() const {
    return comparison_.verdicts;
  }
  const std::string& compared_with() const { return comparison_.with; }  // A version; "" for none.
  std::size_t exported_features() const { return limits_.exported_features; }
  // How the counts of a subject of watch() are told by tenths of its reference.
  detectors::Deciles deciles_of(std::size_t subject) const {
    return detectors::Deciles(watch()->subject(subject));
  }

 private:
  // An observation's rows in the order of the features that somebody wants.
  class Arrangement {
   public:
    Arrangement() = default;
    explicit Arrangement(std::vector<std::string> wanted) : wanted_(std::move(wanted)) {}
    const std::vector<std::string>& wanted() const { return wanted_; }
    // Valid until the next call.
    std::span<const decode::FeatureValue> of(const decode::Row& row,
                                             const decode::FeatureNames* names);
    // Features of the row that of() was asked for last that nobody wants.
    std::uint32_t extra() const { return extra_; }

   private:
    struct Map {
      std::vector<std::uint32_t> places;  // `absent`: not in the traffic.
      std::uint32_t extra = 0;            // Features that are not wanted.
      bool identity = false;              // The row is in that order already.
    };
    static constexpr std::uint32_t absent = UINT32_MAX;
    const Map& map_of(const decode::FeatureNames* names);

    std::vector<std::string> wanted_;
    std::unordered_map<std::uint64_t, Map> maps_;  // By the names' serial.
    std::vector<decode::FeatureValue> row_;
    std::uint32_t extra_ = 0;
  };

  bool is_mixture() const { return name_.version == other_name; }
  void watch_row(const decode::Row& row, const decode::Observation& observation);
  void learn_row(const decode::Row& row, const decode::Observation& observation);

  const std::uint64_t serial_;
  const VersionName name_;
  const ModelSettings* settings_;
  const Limits& limits_;
  struct {
    std::uint64_t successes = 0, failures = 0, alarms = 0, extra_values = 0;
  } counts_;
  struct {
    Time last_active{};
    double mean_gap_seconds = 0;
  } pace_;
  bool retired_ = false;

  SharedReference reference_;
  struct {
    std::unique_ptr<detectors::VersionWatch> watch;
    Arrangement features;
  } watched_;
  struct {
    std::unique_ptr<reference::ProvisionalReference> rows;
    Arrangement features;
    bool done = false;  // Handed out, or not wanted any more.
  } learning_;
  struct Comparison {
    std::unique_ptr<detectors::VersionWatch> watch;
    Arrangement features;
    std::string with;
    std::vector<detectors::Verdict> verdicts;
  } comparison_;
  struct {
    std::array<std::uint64_t, std::size(anomaly_buckets) + 1> counts{};
    double sum = 0;
  } anomalies_;
  Accuracy accuracy_;
  Outcomes outcomes_;
};

}  // namespace outrider::monitor
