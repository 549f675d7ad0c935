// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/sources/posted_exchanges.h"

#include <algorithm>
#include <utility>

namespace outrider::monitor {
namespace {

prometheus::Counter& events(wire::Registry& metrics, const char* result) {
  return metrics.counter("outrider_posted_events_total",
                         "CloudEvents that were posted: taken, refused for want of room, no event "
                         "at all; and those of "
                         "the taken ones that came twice.",
                         {{"result", result}});
}

}  // namespace

PostedExchanges::PostedExchanges(std::size_t bytes_max)
    : bytes_max_(bytes_max),
      events_total_{events(metrics_, "taken"), events(metrics_, "refused"),
                    events(metrics_, "invalid"), events(metrics_, "duplicate")},
      waiting_(metrics_.gauge(
          "outrider_posted_events_waiting",
          "Events that wait to be looked at, or for the other half of their exchange.")) {}

net::HttpResponse PostedExchanges::take(const net::HttpRequest& request) {
  auto events = decode::parse_cloud_events(
      [&request](std::string_view name) { return request.header(name); }, request.body);
  if (!events) {
    events_total_.invalid.Increment();
    return net::error_response(400, events.error().code, events.error().message);
  }
  std::size_t bytes = 0;
  for (const auto& event : *events) bytes += event.bytes();
  const std::lock_guard hold(lock_);
  if (closed_ || bytes_ + bytes > bytes_max_) {
    events_total_.refused.Increment(static_cast<double>(events->size()));
    auto response = net::error_response(503, "queue_full",
                                        "events come faster than they are analysed; send it again");
    response.headers.push_back({"Retry-After", "1"});
    return response;
  }
  bytes_ += bytes;
  events_total_.taken.Increment(static_cast<double>(events->size()));
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

void PostedExchanges::note_pairs(std::size_t halves_waiting, std::uint64_t duplicates) {
  halves_waiting_ = halves_waiting;
  const double more = static_cast<double>(duplicates) - events_total_.duplicate.Value();
  if (more > 0) events_total_.duplicate.Increment(more);
}

void PostedExchanges::collect(wire::MetricSink& sink) {
  std::size_t queued = 0;
  {
    const std::lock_guard hold(lock_);
    queued = events_.size();
  }
  waiting_.Set(static_cast<double>(queued + halves_waiting_));
  metrics_.collect(sink);
}

}  // namespace outrider::monitor
