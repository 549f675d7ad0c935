// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/shipping/gatherer.h"

#include <utility>

namespace outrider::monitor {
namespace {

using namespace std::chrono_literals;

constexpr Duration cut_every = 100ms;
constexpr std::size_t filling_bytes_max = 16 << 20;  // The disk is behind: drop.

}  // namespace

bool Gatherer::append(const truth::PredictionView& prediction, std::uint64_t feature_set,
                      std::vector<std::string> keys) {
  const std::uint64_t rows = prediction.rows.size();
  if (rows == 0) return true;
  const auto id = truth::parse_uuid7(prediction.id);
  if (!id) {
    counts_.invalid += rows;
    return false;
  }
  const MutexLock lock(mutex_);
  const std::uint64_t sequence = folder_.take(rows);
  if (filling_.writer.bytes() > filling_bytes_max) {
    counts_.buffer_full += rows;
    return false;
  }
  if (keys.size() > keys_max ||
      !filling_.writer.add(*id, sequence, prediction, feature_set, prediction_bytes_max_)) {
    counts_.too_large += rows;
    return false;
  }
  if (!keys.empty()) filling_.keys.push_back(std::move(keys));
  counts_.appended += rows;
  if (filling_.writer.bytes() > cut_bytes) full_.notify_one();
  return true;
}

void Gatherer::run(const std::stop_token& stop, const std::function<void()>& cut) {
  while (!stop.stop_requested()) {
    {
      MutexLock lock(mutex_);
      full_.wait_for(lock, stop, cut_every,
                     [this]() REQUIRES(mutex_) { return filling_.writer.bytes() > cut_bytes; });
    }
    cut();
  }
}

void Gatherer::take(const std::function<void(Gathered&)>& put) {
  {
    const MutexLock lock(mutex_);
    if (filling_.writer.rows() == 0) return;
    std::swap(filling_, taken_);
    taken_.next = folder_.next();
    taking_ = true;
  }
  put(taken_);
  taken_.keys.clear();
  const MutexLock lock(mutex_);
  taking_ = false;
}

bool Gatherer::empty() const {
  const MutexLock lock(mutex_);
  return filling_.writer.rows() == 0 && !taking_;
}

void Gatherer::collect(wire::MetricSink& sink,
                       const std::map<std::string, std::uint64_t>& more) const {
  using wire::MetricType;
  sink.family({"outrider_shipping_predictions_total", MetricType::counter,
               "Predictions numbered for shipping to the agents."});
  sink.value(wire::SeriesKey(Labels{}), static_cast<double>(counts_.appended));
  sink.family(
      {"outrider_shipping_refused_total", MetricType::counter,
       "Predictions that could not be put in line, by reason: labels for them are unknown."});
  std::map<std::string, std::uint64_t> reasons = more;
  reasons["invalid_id"] = counts_.invalid;
  reasons["too_large"] = counts_.too_large;
  reasons["buffer_full"] = counts_.buffer_full;
  for (const auto& [reason, count] : reasons)
    sink.value(wire::SeriesKey({{"reason", reason}}), static_cast<double>(count));
}

}  // namespace outrider::monitor
