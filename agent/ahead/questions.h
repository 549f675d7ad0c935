// SPDX-License-Identifier: Apache-2.0
#pragma once

// Asks Prometheus about what is forecast; counts the answers, and logs where it stops answering and
// where it answers again. SHELL: one thread asks, any thread may collect().

#include <string>
#include <vector>

#include "agent/query/prometheus.h"
#include "base/core/clock.h"
#include "base/wire/registry.h"

namespace outrider::ahead {

class Questions {
 public:
  Questions(const std::string& url, query::Prometheus::Prepare prepare);

  // Ten seconds at most. Prometheus's errors.
  Result<std::vector<Series>> ask_range(const std::string& promql, Time from, Time to,
                                        Duration step);
  Result<std::vector<query::InstantValue>> ask(const std::string& promql);

  void collect(wire::MetricSink& sink) { registry_.collect(sink); }

 private:
  query::Prometheus prometheus_;
  bool answered_ = true;
  wire::Registry registry_;
  prometheus::Counter &answers_, &failures_;
};

}  // namespace outrider::ahead
