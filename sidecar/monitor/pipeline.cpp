// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/pipeline.h"

#include <spdlog/spdlog.h>

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
                   const Clock& clock)
    : guarded_(guarded),
      log_(log),
      clock_(clock),
      decoders_(decoders_for(config)),
      stream_(config.rules.unpacked_bytes_max) {}

void Pipeline::configure(const ModelConfig& config) {
  decoders_ = decoders_for(config);
  stream_ = decode::GrpcStream(config.rules.unpacked_bytes_max);
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
    guarded_.monitor.observe(*observation, clock_.now());
  }
  if (keys_.note(*observation, clock_.now())) {
    spdlog::warn("predictions without a key: {}", observation->key_words);
  }
  if (!observation->model_failed) append(*observation);
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

void Pipeline::append(const decode::Observation& observation) {
  truth::PredictionLog* log = log_.get();
  if (!log) return;
  rows_.clear();
  features_.clear();
  names_.clear();
  const bool features = log_.settings().keep_features && observation.names;
  if (features) {
    names_.assign(observation.names->names.begin(), observation.names->names.end());
    features_.reserve(observation.rows.size() * names_.size());
  }
  for (const decode::Row& row : observation.rows) {
    truth::RowView view{.prediction = value_view(row.prediction.value), .segment = row.segment};
    view.failed = row.failed;
    view.key = row.key;
    if (row.prediction.score == row.prediction.score) view.score = row.prediction.score;
    if (features) {
      const std::size_t first = features_.size();
      for (const auto& value : row.features) features_.push_back(feature_view(value));
      view.features = std::span(features_).subspan(first);
    }
    rows_.push_back(view);
  }
  log->append({.id = observation.id,
               .time = observation.time,
               .model_name = observation.model_name,
               .model_version = observation.model_version,
               .aliases = observation.aliases,
               .key = observation.key,
               .feature_names = names_,
               .rows = rows_});
}

}  // namespace outrider::monitor
