// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/sources/posted_exchanges.h"

#include <algorithm>
#include <utility>

namespace outrider::monitor {

net::HttpResponse PostedExchanges::take(const net::HttpRequest& request) {
  auto events = decode::parse_cloud_events(
      [&request](std::string_view name) { return request.header(name); }, request.body);
  if (!events) {
    ++invalid_;
    return net::error_response(400, events.error().code, events.error().message);
  }
  std::size_t bytes = 0;
  for (const auto& event : *events) bytes += event.bytes();
  const std::lock_guard hold(lock_);
  if (closed_ || bytes_ + bytes > bytes_max_) {
    refused_ += events->size();
    auto response = net::error_response(503, "queue_full",
                                        "events come faster than they are analysed; send it again");
    response.headers.push_back({"Retry-After", "1"});
    return response;
  }
  bytes_ += bytes;
  taken_ += events->size();
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

void PostedExchanges::close() {
  const std::lock_guard hold(lock_);
  closed_ = true;
}

void PostedExchanges::collect(wire::MetricSink& sink) {
  std::size_t queued = 0;
  {
    const std::lock_guard hold(lock_);
    queued = events_.size();
  }
  const std::pair<const char*, std::uint64_t> results[] = {
      {"taken", taken_}, {"refused", refused_}, {"invalid", invalid_}, {"duplicate", duplicates_}};
  sink.family({"outrider_posted_events_total", wire::MetricType::counter,
               "CloudEvents that were posted: taken, refused for want of room, no event at all; "
               "and those of "
               "the taken ones that came twice."});
  for (const auto& [result, count] : results) {
    sink.value(wire::SeriesKey(Labels{{"result", result}}), static_cast<double>(count));
  }
  sink.family({"outrider_posted_events_waiting", wire::MetricType::gauge,
               "Events that wait to be looked at, or for the other half of their exchange."});
  sink.value(wire::SeriesKey(), static_cast<double>(queued + halves_waiting_));
}

}  // namespace outrider::monitor
