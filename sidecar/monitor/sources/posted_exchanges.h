// SPDX-License-Identifier: Apache-2.0
#pragma once

// POST /api/v1/exchanges: CloudEvents wait here, bounded in bytes, from the HTTP threads that take
// them to the polling thread that pairs and analyses them. Thread-safe. As a Collector it tells
// what became of the events; what became of the exchanges that they make is counted with all
// others.

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "base/net/http_server.h"
#include "base/wire/registry.h"
#include "sidecar/monitor/decode/cloud_events.h"

namespace outrider::monitor {

class PostedExchanges final : public wire::Collector {
 public:
  explicit PostedExchanges(std::size_t bytes_max = 32 << 20);

  // 202 when all of the request's events were taken; 400 for what is no event; 503 with Retry-After
  // when there is no room, or no more time (then none was taken).
  net::HttpResponse take(const net::HttpRequest& request);

  std::vector<decode::CloudEvent> pop(std::size_t count);
  void close();  // From now on nothing is taken.

  // What the polling thread knows of those that it popped; duplicates since the start.
  void note_pairs(std::size_t halves_waiting, std::uint64_t duplicates);
  void collect(wire::MetricSink& sink) override;

 private:
  const std::size_t bytes_max_;
  std::mutex lock_;
  std::deque<decode::CloudEvent> events_;
  std::size_t bytes_ = 0;
  bool closed_ = false;
  std::atomic<std::size_t> halves_waiting_{0};
  wire::Registry metrics_;
  struct {
    prometheus::Counter &taken, &refused, &invalid, &duplicate;
  } events_total_;
  prometheus::Gauge& waiting_;
};

}  // namespace outrider::monitor
