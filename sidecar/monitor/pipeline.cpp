// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/pipeline.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <span>

#include "sidecar/monitor/configuration.h"

namespace outrider::monitor {
namespace {

truth::ValueView value_view(const decode::FeatureValue& value) {
  if (value.kind == decode::ValueKind::number) return value.number;
  return value.text;
}

truth::FeatureValueView feature_view(const decode::FeatureValue& value) {
  if (value.kind == decode::ValueKind::missing) return std::monostate();
  if (value.kind == decode::ValueKind::number) return value.number;
  return value.text;
}

}  // namespace

Pipeline::Pipeline(const ModelConfig& config, GuardedMonitor& guarded, const LogHolder& log,
                   Shipper* shipper, const Clock& clock)
    : guarded_(guarded),
      log_(log),
      shipper_(shipper),
      clock_(clock),
      decoders_(decoders_for(config)),
      stream_(config.rules.unpacked_bytes_max),
      shipped_features_(config.log.shipped_features) {}

void Pipeline::configure(const ModelConfig& config) {
  decoders_ = decoders_for(config);
  stream_ = decode::GrpcStream(config.rules.unpacked_bytes_max);
  shipped_features_ = config.log.shipped_features;
  places_of_ = 0;
}

tap::Disposal Pipeline::take_stream() {
  tap::Disposal first = tap::Disposal::skipped(tap::SkipReason::not_matched);
  bool has_first = false;
  while (const tap::Exchange* one = stream_.next()) {
    const tap::Disposal disposal = note(decoders_.decode(*one));
    const bool is_analysed = disposal.kind == tap::Disposal::Kind::analysed;
    if (!has_first || (is_analysed && first.kind != disposal.kind)) first = disposal;
    has_first = true;
  }
  return first;
}

tap::Disposal Pipeline::note(const decode::Decoder::Outcome& observation) {
  if (!observation) return note_failure(observation.error());
  {
    const std::lock_guard hold(guarded_.lock);
    const VersionName& name = guarded_.monitor.observe(*observation, clock_.now());
    if (shipper_) version_ = name;
  }
  if (keys_.note(*observation, clock_.now())) {
    spdlog::warn("predictions without a key: {}", observation->key_words);
  }
  if (!observation->model_failed && (shipper_ || log_.get())) append(*observation);
  return tap::Disposal::analysed();
}

tap::Disposal Pipeline::note_failure(const tap::Disposal& disposal) {
  if (disposal.kind == tap::Disposal::Kind::failed &&
      failures_.note(disposal.fail_reason, decoders_.words(), clock_.now())) {
    spdlog::warn("an exchange could not be analysed: {}{}{}", to_string(disposal.fail_reason),
                 decoders_.words().empty() ? "" : ": ", decoders_.words());
  }
  return disposal;
}

// Which features are kept; false: none. Those that are shipped are named one by one.
bool Pipeline::choose_features(const decode::Observation& observation) {
  names_.clear();
  if (!observation.names) return false;
  const decode::FeatureNames& all = *observation.names;
  if (!shipper_) {
    if (!log_.settings().keep_features) return false;
    names_.assign(all.names.begin(), all.names.end());
    return true;
  }
  if (shipped_features_.empty()) return false;
  if (places_of_ != all.serial) {
    places_of_ = all.serial;
    places_.clear();
    for (std::size_t i = 0; i < all.names.size(); ++i) {
      const auto& wanted = shipped_features_;
      if (std::find(wanted.begin(), wanted.end(), all.names[i]) != wanted.end())
        places_.push_back(i);
    }
  }
  for (const std::size_t place : places_) names_.emplace_back(all.names[place]);
  return !names_.empty();
}

void Pipeline::append(const decode::Observation& observation) {
  rows_.clear();
  features_.clear();
  const bool features = choose_features(observation);
  if (features) features_.reserve(observation.rows.size() * names_.size());
  for (const decode::Row& row : observation.rows) {
    truth::RowView view{.prediction = value_view(row.prediction.value), .segment = row.segment};
    view.failed = row.failed;
    view.key = row.key;
    if (row.prediction.score == row.prediction.score) view.score = row.prediction.score;
    if (features) {
      const std::size_t first = features_.size();
      if (shipper_) {
        for (const std::size_t place : places_)
          features_.push_back(feature_view(row.features[place]));
      } else {
        for (const auto& value : row.features) features_.push_back(feature_view(value));
      }
      view.features = std::span(features_).subspan(first);
    }
    rows_.push_back(view);
  }
  keep(observation);
}

void Pipeline::keep(const decode::Observation& observation) {
  // The agent's outcomes have to meet the references of this sidecar's metrics.
  const truth::PredictionView prediction{
      .id = observation.id,
      .time = observation.time,
      .model_name = shipper_ ? std::string_view(version_.model) : observation.model_name,
      .model_version = shipper_ ? std::string_view(version_.version) : observation.model_version,
      .aliases = observation.aliases,
      .key = observation.key,
      .feature_names = names_,
      .rows = rows_};
  if (shipper_) {
    shipper_->append(prediction, names_.empty() ? 0 : observation.names->serial);
  } else if (truth::PredictionLog* log = log_.get()) {
    log->append(prediction);
  }
}

}  // namespace outrider::monitor
