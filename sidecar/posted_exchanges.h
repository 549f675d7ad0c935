// SPDX-License-Identifier: Apache-2.0
#pragma once

// POST /api/v1/exchanges: CloudEvents wait here, bounded in bytes, from the HTTP threads that take them
// to the polling thread that pairs and analyses them. Thread-safe.

#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "base/net/http_server.h"
#include "sidecar/decode/cloud_events.h"

namespace outrider {

class PostedExchanges {
 public:
  explicit PostedExchanges(std::size_t bytes_max = 32 << 20) : bytes_max_(bytes_max) {}

  // 202 when all of the request's events were taken; 400 for what is no event; 503 with Retry-After when
  // there is no room (then none was taken).
  net::HttpResponse take(const net::HttpRequest& request);

  std::vector<decode::CloudEvent> pop(std::size_t count);

 private:
  const std::size_t bytes_max_;
  std::mutex lock_;
  std::deque<decode::CloudEvent> events_;
  std::size_t bytes_ = 0;
};

}  // namespace outrider
