// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/versions/version_monitor.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace outrider::monitor {
namespace {

std::vector<std::string> feature_names(const detectors::Reference& reference) {
  std::vector<std::string> names;
  for (const detectors::FrozenSubject& feature : reference.features) names.push_back(feature.name);
  return names;
}

}  // namespace

VersionMonitor::VersionMonitor(std::uint64_t serial, VersionName name,
                               const ModelSettings& settings, const Limits& limits, Time now)
    : serial_(serial),
      name_(std::move(name)),
      settings_(&settings),
      limits_(limits),
      pace_{.last_active = now},
      accuracy_(settings.accuracy),
      outcomes_({limits.segments, limits.classes}) {
  if (settings.rules.segments.empty()) outcomes_.announce("");
}

void VersionMonitor::observe(const decode::Observation& observation) {
  const double gap = to_seconds(observation.time - pace_.last_active);
  if (gap > 0) {
    constexpr double weight = 0.05;
    pace_.mean_gap_seconds += weight * (gap - pace_.mean_gap_seconds);
    pace_.last_active = observation.time;
  }
  if (observation.model_failed) {
    ++counts_.failures;
    return;
  }
  for (const decode::Row& row : observation.rows) {
    if (row.failed) {
      ++counts_.failures;
      continue;
    }
    ++counts_.successes;
    if (!row.segment.empty()) outcomes_.announce(row.segment);
    if (watched_.watch) watch_row(row, observation);
    if (!learning_.done) learn_row(row, observation);
    if (comparison_.watch) {
      comparison_.watch->observe(comparison_.features.of(row, observation.names),
                                 row.prediction.value, row.prediction.score, observation.time);
    }
  }
}

void VersionMonitor::watch_row(const decode::Row& row, const decode::Observation& observation) {
  const auto features = watched_.features.of(row, observation.names);
  counts_.extra_values += watched_.features.extra();
  const detectors::Surprise surprise = watched_.watch->observe(
      features, row.prediction.value, row.prediction.score, observation.time);
  if (!surprise.scored) return;
  const double score = -std::log10(std::max(surprise.p, 1e-300));
  std::size_t bucket = 0;
  while (bucket < std::size(anomaly_buckets) && score > anomaly_buckets[bucket]) ++bucket;
  ++anomalies_.counts[bucket];
  anomalies_.sum += score;
}

void VersionMonitor::learn_row(const decode::Row& row, const decode::Observation& observation) {
  if (!observation.names || is_mixture()) return;
  if (!learning_.rows) {
    std::vector<std::string> learned;
    // A name that comes twice (two tensors, two columns of CSV) is learned once.
    for (const std::string& name : observation.names->names) {
      if (learned.size() >= limits_.features) break;
      if (std::find(learned.begin(), learned.end(), name) == learned.end()) learned.push_back(name);
    }
    learning_.features = Arrangement(std::move(learned));
    learning_.rows = std::make_unique<reference::ProvisionalReference>(learning_.features.wanted());
  }
  if (learning_.rows->complete()) return;
  learning_.rows->add(learning_.features.of(row, observation.names), row.prediction.value,
                      observation.time);
}

const VersionMonitor::Arrangement::Map& VersionMonitor::Arrangement::map_of(
    const decode::FeatureNames* names) {
  constexpr std::size_t maps_max = 256;
  const std::uint64_t serial = names ? names->serial : 0;
  if (const auto known = maps_.find(serial); known != maps_.end()) return known->second;
  if (maps_.size() >= maps_max) maps_.clear();
  Map map;
  map.places.assign(wanted_.size(), absent);
  if (names) {
    std::size_t found_count = 0;
    for (std::size_t i = 0; i < wanted_.size(); ++i) {
      if (names->positional && names->names.size() == wanted_.size()) {
        map.places[i] = static_cast<std::uint32_t>(i);
      } else if (const auto found = std::find(names->names.begin(), names->names.end(), wanted_[i]);
                 found != names->names.end()) {
        map.places[i] = static_cast<std::uint32_t>(found - names->names.begin());
      }
      if (map.places[i] != absent) ++found_count;
    }
    map.extra = static_cast<std::uint32_t>(names->names.size() - found_count);
    map.identity = map.extra == 0 && found_count == wanted_.size();
    for (std::size_t i = 0; i < wanted_.size(); ++i) {
      map.identity = map.identity && map.places[i] == i;
    }
  }
  return maps_.emplace(serial, std::move(map)).first->second;
}

std::span<const decode::FeatureValue> VersionMonitor::Arrangement::of(
    const decode::Row& row, const decode::FeatureNames* names) {
  const Map& map = map_of(names);
  extra_ = map.extra;
  if (map.identity) return row.features;
  row_.resize(map.places.size());
  for (std::size_t i = 0; i < row_.size(); ++i) {
    row_[i] = map.places[i] == absent ? decode::FeatureValue{} : row.features[map.places[i]];
  }
  return row_;
}

bool VersionMonitor::is_classification() const {
  using decode::PredictionKind;
  if (settings_->rules.prediction_kind != PredictionKind::inferred) {
    return settings_->rules.prediction_kind == PredictionKind::classification;
  }
  return reference_ && reference_->kind == reference::ModelKind::classification;
}

Tolerance VersionMonitor::tolerance() const {
  Tolerance tolerance;
  if (reference_ && reference_->accuracy) {
    // The error rate that accuracy is held against was counted with these.
    tolerance = {reference_->accuracy->tolerance, reference_->accuracy->absolute_tolerance};
  }
  tolerance.relative = settings_->truth.tolerance.value_or(tolerance.relative);
  tolerance.absolute = settings_->truth.absolute_tolerance.value_or(tolerance.absolute);
  return tolerance;
}

VersionMonitor::JudgedLabel VersionMonitor::judge(const truth::JoinedRow& row) {
  JudgedLabel label;
  label.judgement = truth::judge(row.prediction, row.truth, is_classification(), tolerance());
  label.segment = row.segment;
  pace_.last_active = std::max(pace_.last_active, row.predicted);
  const auto event = accuracy_.add(label.judgement.correct, row.predicted, row.labelled);
  if (retired_ || is_mixture()) {
    accuracy_.restart();
  } else {
    label.alarm_raised = event == detectors::AlarmEvent::raised;
  }
  return label;
}

void VersionMonitor::publish(const JudgedLabel& label) {
  outcomes_.add(label.judgement, label.segment);
  if (label.alarm_raised) ++counts_.alarms;
}

void VersionMonitor::set_reference(SharedReference reference) {
  if (!reference || !reference->statistics || (reference_ && reference_->hash == reference->hash)) {
    return;
  }
  // What was learned while a real reference came is not wanted any more.
  if (reference_ && !reference_->statistics->provisional && reference->statistics->provisional) {
    return;
  }
  reference_ = std::move(reference);
  watched_.features = Arrangement(feature_names(*reference_->statistics));
  watched_.watch = std::make_unique<detectors::VersionWatch>(reference_->statistics);
  learning_.rows.reset();
  learning_.done = true;
  reapply_reference();
}

void VersionMonitor::reapply_reference() {
  if (!reference_ || !reference_->accuracy) return;
  const auto& errors = *reference_->accuracy;
  // A model that is wrong nearly always cannot be watched for becoming worse: it stays warming_up.
  (void)accuracy_.set_reference(
      {errors.error_rate, static_cast<double>(errors.rows), errors.design_effect});
}

std::unique_ptr<reference::ProvisionalReference> VersionMonitor::take_learned() {
  if (learning_.done || !learning_.rows || !learning_.rows->complete()) return nullptr;
  learning_.done = true;
  learning_.features = Arrangement();
  return std::move(learning_.rows);
}

void VersionMonitor::forget_learned() {
  learning_.rows.reset();
  learning_.features = Arrangement();
}

void VersionMonitor::advance(Time now) {
  if (watched_.watch) watched_.watch->advance(now);
  if (comparison_.watch) comparison_.watch->advance(now);
  if (!retired_) accuracy_.adapt(now);
}

bool VersionMonitor::idle(Time now) const {
  const double usual = std::max(30.0, 50 * pace_.mean_gap_seconds);
  return to_seconds(now - pace_.last_active) > usual;
}

void VersionMonitor::set_retired(bool retired) {
  if (retired && !retired_) accuracy_.restart();
  retired_ = retired;
}

void VersionMonitor::compare_with(const VersionMonitor* baseline) {
  if (!baseline || !baseline->watched_.watch) {
    comparison_ = Comparison();
    return;
  }
  const auto& reference = baseline->reference_->statistics;
  if (!comparison_.watch || &comparison_.watch->reference() != reference.get() ||
      comparison_.with != baseline->name_.version) {
    comparison_.with = baseline->name_.version;
    comparison_.features = Arrangement(feature_names(*reference));
    // Two streams of the same hours: what they have in common with the week does not matter.
    detectors::DriftRule rule;
    rule.by_hours = false;
    comparison_.watch = std::make_unique<detectors::VersionWatch>(reference, rule);
  }
  comparison_.verdicts =
      detectors::compare_versions(*comparison_.watch, *baseline->watched_.watch, Window::hour);
}

}  // namespace outrider::monitor
