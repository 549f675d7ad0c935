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
                   Shipping* shipper, const Clock& clock)
    : guarded_(guarded),
      log_(log),
      shipper_(shipper),
      clock_(clock),
      decoders_(decoders_for(config)),
      stream_(config.rules.unpacked_bytes_max),
      sampler_(log.settings().sample),
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
  appended_.names.clear();
  if (!observation.names) return false;
  const decode::FeatureNames& all = *observation.names;
  if (!shipper_) {
    if (!log_.settings().keep_features) return false;
    appended_.names.assign(all.names.begin(), all.names.end());
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
  for (const std::size_t place : places_) appended_.names.emplace_back(all.names[place]);
  return !appended_.names.empty();
}

// What is left out of a request with a key in each row stays in it as a row without a prediction,
// so that the others keep their numbers.
bool Pipeline::is_sampled(const decode::Observation& observation, const decode::Row& row) {
  if (!observation.key.empty()) return sampler_.keeps(observation.key);
  return sampler_.keeps(row.key.empty() ? observation.id : std::string_view(row.key));
}

void Pipeline::append(const decode::Observation& observation) {
  std::size_t kept = observation.rows.size();
  appended_.rows.clear();
  appended_.features.clear();
  const bool features = choose_features(observation);
  if (features) appended_.features.reserve(observation.rows.size() * appended_.names.size());
  for (const decode::Row& row : observation.rows) {
    truth::RowView view{.prediction = value_view(row.prediction.value), .segment = row.segment};
    view.failed = row.failed;
    if (!sampler_.keeps_all() && !is_sampled(observation, row)) {
      --kept;
      appended_.rows.push_back({.failed = true});
      continue;
    }
    view.key = row.key;
    if (row.prediction.score == row.prediction.score) view.score = row.prediction.score;
    if (features) {
      const std::size_t first = appended_.features.size();
      if (shipper_) {
        for (const std::size_t place : places_)
          appended_.features.push_back(feature_view(row.features[place]));
      } else {
        for (const auto& value : row.features) appended_.features.push_back(feature_view(value));
      }
      view.features = std::span(appended_.features).subspan(first);
    }
    appended_.rows.push_back(view);
  }
  if (kept > 0) keep(observation);
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
      .feature_names = appended_.names,
      .rows = appended_.rows};
  if (shipper_) {
    shipper_->append(prediction, appended_.names.empty() ? 0 : observation.names->serial);
  } else if (truth::PredictionLog* log = log_.get()) {
    log->append(prediction);
  }
}

}  // namespace outrider::monitor
