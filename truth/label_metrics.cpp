// SPDX-License-Identifier: Apache-2.0
#include "truth/label_metrics.h"

#include <algorithm>

#include "truth/scope.h"

namespace outrider::truth {

void LabelMetrics::Tally::add(const Tally& other) {
  for (std::size_t i = 0; i < results.size(); ++i) results[i] += other.results[i];
  for (std::size_t i = 0; i < delays.size(); ++i) delays[i] += other.delays[i];
  delay_sum += other.delay_sum;
}

LabelMetrics::Tally& LabelMetrics::group_tally(std::string_view model_name,
                                               std::string_view model_version) {
  for (auto& [model, tally] : group_) {
    if (model.second == model_version && model.first == model_name) return tally;
  }
  if (group_.size() >= models_max_ && model_name != "other") return group_tally("other", "other");
  return group_.emplace_back(Model(model_name, model_version), Tally{}).second;
}

void LabelMetrics::count(std::string_view model_name, std::string_view model_version,
                         LabelResult result) {
  if (is_probe(model_name)) return;
  ++group_tally(model_name, model_version).results[static_cast<std::size_t>(result)];
}

void LabelMetrics::observe_delay(std::string_view model_name, std::string_view model_version,
                                 Duration delay) {
  if (is_probe(model_name)) return;
  Tally& tally = group_tally(model_name, model_version);
  const double seconds = std::max(0.0, to_seconds(delay));
  const auto bucket = std::lower_bound(std::begin(delay_buckets), std::end(delay_buckets), seconds);
  ++tally.delays[static_cast<std::size_t>(bucket - std::begin(delay_buckets))];
  tally.delay_sum += seconds;
}

void LabelMetrics::commit() {
  if (group_.empty()) return;
  const std::lock_guard lock(mutex_);
  for (const auto& [model, tally] : group_) publish(model).tally.add(tally);
  group_.clear();
}

void LabelMetrics::observe_sync(Duration taken) {
  const double seconds = to_seconds(taken);
  const auto bucket =
      std::lower_bound(std::begin(wire::latency_buckets), std::end(wire::latency_buckets), seconds);
  const std::lock_guard lock(mutex_);
  ++syncs_[static_cast<std::size_t>(bucket - std::begin(wire::latency_buckets))];
  sync_seconds_ += seconds;
}

void LabelMetrics::roll_back() {
  group_.clear();
}

void LabelMetrics::count_now(std::string_view model_name, std::string_view model_version,
                             LabelResult result, std::uint64_t labels) {
  const std::lock_guard lock(mutex_);
  publish({std::string(model_name), std::string(model_version)})
      .tally.results[static_cast<std::size_t>(result)] += labels;
}

void LabelMetrics::announce(std::string_view model_name, std::string_view model_version) {
  const std::lock_guard lock(mutex_);
  publish({std::string(model_name), std::string(model_version)});
}

LabelMetrics::Published& LabelMetrics::publish(const Model& model) {
  auto found = published_.find(model);
  if (found != published_.end()) return found->second;
  const bool full = published_.size() >= models_max_;
  const Model name = full ? Model("other", "other") : model;
  if (full && (found = published_.find(name)) != published_.end()) return found->second;
  Published& entry = published_[name];
  const Labels labels = model_labels(name.first, name.second);
  entry.key = wire::SeriesKey(labels);
  for (std::size_t i = 0; i < label_result_count; ++i) {
    Labels with_result = labels;
    with_result.set("result", to_string(static_cast<LabelResult>(i)));
    entry.result_keys[i] = wire::SeriesKey(std::move(with_result));
  }
  return entry;
}

std::array<std::uint64_t, label_result_count> LabelMetrics::totals() const {
  const std::lock_guard lock(mutex_);
  Tally sum;
  for (const auto& [model, entry] : published_) sum.add(entry.tally);
  return sum.results;
}

void LabelMetrics::collect(wire::MetricSink& sink) const {
  const std::lock_guard lock(mutex_);
  sink.family({"outrider_labels_total", wire::MetricType::counter,
               "Labels (ground truth) by what became of them; a held one (early) is counted again "
               "when it is joined or given up."});
  for (const auto& [model, entry] : published_) {
    for (std::size_t i = 0; i < label_result_count; ++i) {
      sink.value(entry.result_keys[i], static_cast<double>(entry.tally.results[i]));
    }
  }
  sink.family({"outrider_label_delay_seconds", wire::MetricType::histogram,
               "Time from a prediction to its joined label."});
  for (const auto& [model, entry] : published_) {
    // Labels that found no prediction are of version "unknown", and have no delay.
    const auto& delays = entry.tally.delays;
    const bool any =
        std::any_of(delays.begin(), delays.end(), [](auto count) { return count > 0; });
    if (!any && model.second == "unknown") continue;
    sink.histogram(entry.key, {.upper_bounds = delay_buckets,
                               .bucket_counts = entry.tally.delays,
                               .sum = entry.tally.delay_sum});
  }
  sink.family({"outrider_log_sync_seconds", wire::MetricType::histogram,
               "Time of the synced writes that acknowledge labels."});
  sink.histogram(
      wire::SeriesKey(Labels{}),
      {.upper_bounds = wire::latency_buckets, .bucket_counts = syncs_, .sum = sync_seconds_});
}

}  // namespace outrider::truth
