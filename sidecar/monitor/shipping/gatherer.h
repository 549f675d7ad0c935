// SPDX-License-Identifier: Apache-2.0
#pragma once

// Predictions on their way to a queue on disk: numbered (stream_folder.h), and gathered for a tenth
// of a second. SHELL; thread-safe, but for run() and take(), which are one thread's.
//
//   Gatherer gatherer(folder, 2 << 20);
//   gatherer.append(prediction, feature_set);                       // copies; never waits
//   gatherer.run(stop, [&] { gatherer.take([&](auto& some) { …to the queue… }); });
//
// What is dropped keeps its number: whoever receives the others sees the gap.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "base/core/mutex.h"
#include "base/wire/exposition.h"
#include "sidecar/monitor/shipping/stream_folder.h"
#include "truth/prediction.h"
#include "truth/shipment.h"

namespace outrider::monitor {

class Gatherer {
 public:
  static constexpr std::size_t cut_bytes = 1 << 20;  // Past it the tenth of a second is not waited.
  static constexpr std::size_t keys_max = 64;        // Of one request, with a key in each row.

  struct Gathered {
    truth::ShipmentWriter writer;
    std::vector<std::vector<std::string>> keys;  // Of each prediction, where they were given.
    std::uint64_t next = 0;                      // The number after the last one of its rows.
  };

  // The folder outlives it. A prediction of more bytes than these, encoded, is too large.
  Gatherer(StreamFolder& folder, std::size_t prediction_bytes_max)
      : folder_(folder), prediction_bytes_max_(prediction_bytes_max) {}

  // `feature_set` is 0, or tells lists of feature names apart. False when it was dropped, counted.
  bool append(const truth::PredictionView& prediction, std::uint64_t feature_set,
              std::vector<std::string> keys = {});

  // Until it is stopped: calls `cut` every tenth of a second, and as soon as there is much.
  void run(const std::stop_token& stop, const std::function<void()>& cut);
  // Gives what came so far, if anything did.
  void take(const std::function<void(Gathered&)>& put);
  // Whether nothing is here, nor between here and the queue.
  bool empty() const;

  // `more` are reasons of the caller's own.
  void collect(wire::MetricSink& sink, const std::map<std::string, std::uint64_t>& more = {}) const;

 private:
  // Rows.
  struct Counts {
    std::atomic<std::uint64_t> appended{0}, invalid{0}, too_large{0}, buffer_full{0};
  };

  StreamFolder& folder_;
  const std::size_t prediction_bytes_max_;
  mutable Mutex mutex_;
  std::condition_variable_any full_;
  Gathered filling_ GUARDED_BY(mutex_);
  bool taking_ GUARDED_BY(mutex_) = false;  // What was taken is in no queue yet.
  Gathered taken_;                          // Of the taking thread.
  Counts counts_;
};

}  // namespace outrider::monitor
