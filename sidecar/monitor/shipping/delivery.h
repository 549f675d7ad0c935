// SPDX-License-Identifier: Apache-2.0
#pragma once

// How far a sidecar's predictions have come on their way to one receiver, as metrics. PURE.

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "base/remote_write/queue.h"
#include "base/wire/exposition.h"

namespace outrider::monitor {

struct Delivery {
  std::string agent;  // As the label `agent` names the receiver.
  remote_write::Queue::Figures queue;
  std::uint64_t sent = 0;                        // Rows that it took.
  std::uint64_t failed = 0;                      // Requests that it did not take.
  bool up = false;                               // It took what was last sent.
  std::map<std::string, std::uint64_t> refused;  // Rows that it will never take, by reason.
};

void collect_deliveries(wire::MetricSink& sink, std::span<const Delivery> deliveries);

}  // namespace outrider::monitor
