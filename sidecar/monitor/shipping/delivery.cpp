// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/shipping/delivery.h"

namespace outrider::monitor {

void collect_deliveries(wire::MetricSink& sink, std::span<const Delivery> deliveries) {
  using wire::MetricType;
  const auto each = [&](const char* name, MetricType type, const char* help, auto value) {
    sink.family({name, type, help});
    for (const Delivery& one : deliveries)
      sink.value(wire::SeriesKey({{"agent", one.agent}}), static_cast<double>(value(one)));
  };
  each("outrider_shipping_sent_total", MetricType::counter, "Predictions that the agent took.",
       [](const Delivery& one) { return one.sent; });
  each("outrider_shipping_pending_predictions", MetricType::gauge,
       "Predictions that wait on disk for the agent.",
       [](const Delivery& one) { return one.queue.pending.samples; });
  each("outrider_shipping_queue_bytes", MetricType::gauge, "Bytes of the queue for the agent.",
       [](const Delivery& one) { return one.queue.disk_bytes + one.queue.memory_bytes; });
  each("outrider_shipping_up", MetricType::gauge,
       "1 where the agent took what was last sent to it.",
       [](const Delivery& one) { return one.up ? 1 : 0; });
  each("outrider_shipping_failed_requests_total", MetricType::counter,
       "Requests that the agent did not take.", [](const Delivery& one) { return one.failed; });
  sink.family({"outrider_shipping_dropped_total", MetricType::counter,
               "Predictions given up for one agent, by reason; what the agent refused for good is "
               "http_ and the status."});
  for (const Delivery& one : deliveries) {
    const auto& dropped = one.queue.dropped;
    std::map<std::string, std::uint64_t> reasons = {{"queue_full", dropped.queue_full},
                                                    {"too_old", dropped.too_old},
                                                    {"memory_full", dropped.memory_full},
                                                    {"too_large", dropped.too_large},
                                                    {"damaged", dropped.damaged}};
    for (const auto& [reason, count] : one.refused) reasons[reason] += count;
    for (const auto& [reason, count] : reasons) {
      sink.value(wire::SeriesKey({{"agent", one.agent}, {"reason", reason}}),
                 static_cast<double>(count));
    }
  }
}

}  // namespace outrider::monitor
