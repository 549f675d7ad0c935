// SPDX-License-Identifier: Apache-2.0
#include "sidecar/posted_exchanges.h"

#include <algorithm>
#include <utility>

namespace outrider {

net::HttpResponse PostedExchanges::take(const net::HttpRequest& request) {
  auto events = decode::parse_cloud_events(
      [&request](std::string_view name) { return request.header(name); }, request.body);
  if (!events) return net::error_response(400, events.error().code, events.error().message);
  std::size_t bytes = 0;
  for (const auto& event : *events) bytes += event.bytes();
  const std::lock_guard hold(lock_);
  if (bytes_ + bytes > bytes_max_) {
    auto response = net::error_response(503, "queue_full",
                                        "events come faster than they are analysed; send it again");
    response.headers.push_back({"Retry-After", "1"});
    return response;
  }
  bytes_ += bytes;
  for (auto& event : *events) events_.push_back(std::move(event));
  return net::text_response(202, "");
}

std::vector<decode::CloudEvent> PostedExchanges::pop(std::size_t count) {
  std::vector<decode::CloudEvent> taken;
  const std::lock_guard hold(lock_);
  while (!events_.empty() && taken.size() < count) {
    bytes_ -= events_.front().bytes();
    taken.push_back(std::move(events_.front()));
    events_.pop_front();
  }
  return taken;
}

}  // namespace outrider
