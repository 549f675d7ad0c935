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
      last_active_(now),
      accuracy_(settings.accuracy),
      outcomes_({limits.segments, limits.classes}) {
  if (settings.rules.segments.empty()) outcomes_.announce("");
}

void VersionMonitor::observe(const decode::Observation& observation) {
  const double gap = to_seconds(observation.time - last_active_);
  if (gap > 0) {
    constexpr double weight = 0.05;
    mean_gap_seconds_ += weight * (gap - mean_gap_seconds_);
    last_active_ = observation.time;
  }
  if (observation.model_failed) {
    ++failures_;
    return;
  }
  for (const decode::Row& row : observation.rows) {
    if (row.failed) {
      ++failures_;
      continue;
    }
    ++successes_;
    if (!row.segment.empty()) outcomes_.announce(row.segment);
    if (watch_) watch_row(row, observation);
    if (!learned_) learn_row(row, observation);
    if (comparison_) {
      const FeatureMap& map = map_of(comparison_maps_, compared_names_, observation.names);
      comparison_->observe(arranged(map, row), row.prediction.value, row.prediction.score,
                           observation.time);
    }
  }
}

void VersionMonitor::watch_row(const decode::Row& row, const decode::Observation& observation) {
  const FeatureMap& map = map_of(watch_maps_, watched_names_, observation.names);
  extra_values_ += map.extra;
  const detectors::Surprise surprise = watch_->observe(arranged(map, row), row.prediction.value,
                                                       row.prediction.score, observation.time);
  if (!surprise.scored) return;
  const double score = -std::log10(std::max(surprise.p, 1e-300));
  std::size_t bucket = 0;
  while (bucket < std::size(anomaly_buckets) && score > anomaly_buckets[bucket]) ++bucket;
  ++anomaly_counts_[bucket];
  anomaly_sum_ += score;
}

void VersionMonitor::learn_row(const decode::Row& row, const decode::Observation& observation) {
  if (!observation.names || is_mixture()) return;
  if (!learning_) {
    const auto& names = observation.names->names;
    learned_names_
        .clear();  // A name that comes twice (two tensors, two columns of CSV) is learned once.
    for (const std::string& name : names) {
      if (learned_names_.size() >= limits_.features) break;
      const auto end = learned_names_.end();
      if (std::find(learned_names_.begin(), end, name) == end) learned_names_.push_back(name);
    }
    learning_ = std::make_unique<reference::ProvisionalReference>(learned_names_);
  }
  if (learning_->complete()) return;
  const FeatureMap& map = map_of(learning_maps_, learned_names_, observation.names);
  learning_->add(arranged(map, row), row.prediction.value, observation.time);
}

const VersionMonitor::FeatureMap& VersionMonitor::map_of(FeatureMaps& maps,
                                                         const std::vector<std::string>& wanted,
                                                         const decode::FeatureNames* names) {
  constexpr std::size_t maps_max = 256;
  const std::uint64_t serial = names ? names->serial : 0;
  if (const auto known = maps.find(serial); known != maps.end()) return known->second;
  if (maps.size() >= maps_max) maps.clear();
  FeatureMap map;
  map.places.assign(wanted.size(), absent);
  if (names) {
    std::size_t found_count = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (names->positional && names->names.size() == wanted.size()) {
        map.places[i] = static_cast<std::uint32_t>(i);
      } else if (const auto found = std::find(names->names.begin(), names->names.end(), wanted[i]);
                 found != names->names.end()) {
        map.places[i] = static_cast<std::uint32_t>(found - names->names.begin());
      }
      if (map.places[i] != absent) ++found_count;
    }
    map.extra = static_cast<std::uint32_t>(names->names.size() - found_count);
    map.identity = map.extra == 0 && found_count == wanted.size();
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      map.identity = map.identity && map.places[i] == i;
    }
  }
  return maps.emplace(serial, std::move(map)).first->second;
}

std::span<const decode::FeatureValue> VersionMonitor::arranged(const FeatureMap& map,
                                                               const decode::Row& row) {
  if (map.identity) return row.features;
  arranged_.resize(map.places.size());
  for (std::size_t i = 0; i < arranged_.size(); ++i) {
    arranged_[i] = map.places[i] == absent ? decode::FeatureValue{} : row.features[map.places[i]];
  }
  return arranged_;
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
  last_active_ = std::max(last_active_, row.predicted);
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
  if (label.alarm_raised) ++alarms_;
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
  watched_names_ = feature_names(*reference_->statistics);
  watch_ = std::make_unique<detectors::VersionWatch>(reference_->statistics);
  watch_maps_.clear();
  learning_.reset();
  learned_ = true;
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
  if (learned_ || !learning_ || !learning_->complete()) return nullptr;
  learned_ = true;
  learning_maps_.clear();
  return std::move(learning_);
}

void VersionMonitor::forget_learned() {
  learning_.reset();
  learning_maps_.clear();
}

void VersionMonitor::advance(Time now) {
  if (watch_) watch_->advance(now);
  if (comparison_) comparison_->advance(now);
  if (!retired_) accuracy_.adapt(now);
}

bool VersionMonitor::idle(Time now) const {
  const double usual = std::max(30.0, 50 * mean_gap_seconds_);
  return to_seconds(now - last_active_) > usual;
}

void VersionMonitor::set_retired(bool retired) {
  if (retired && !retired_) accuracy_.restart();
  retired_ = retired;
}

void VersionMonitor::compare_with(const VersionMonitor* baseline) {
  if (!baseline || !baseline->watch_) {
    comparison_.reset();
    comparison_verdicts_.clear();
    compared_with_.clear();
    return;
  }
  const auto& reference = baseline->reference_->statistics;
  if (!comparison_ || &comparison_->reference() != reference.get() ||
      compared_with_ != baseline->name_.version) {
    compared_with_ = baseline->name_.version;
    compared_names_ = feature_names(*reference);
    // Two streams of the same hours: what they have in common with the week does not matter.
    detectors::DriftRule rule;
    rule.by_hours = false;
    comparison_ = std::make_unique<detectors::VersionWatch>(reference, rule);
    comparison_maps_.clear();
  }
  comparison_verdicts_ = detectors::compare_versions(*comparison_, *baseline->watch_, Window::hour);
}

}  // namespace outrider::monitor
