// SPDX-License-Identifier: Apache-2.0
#pragma once

// The proxy's and the exchanges' metrics, read from the memory file at each scrape. They belong to the
// proxy process, so they outlive the monitor that renders them.
//
// What concerns requests carries the model's name where one is configured; the proxy itself knows none. So do the objectives for
// requests, beside which the requests are counted that keep the one for latency.
//
// Thread-safe: collect() may run in several threads at once. O(series), a few hundred at most: a code
// and outcome that never occurred has no series, except the outcomes' usual ones, which begin at 0 so
// that rate() sees their first increase.

#include <mutex>
#include <string>
#include <string_view>

#include "base/wire/exposition.h"
#include "sidecar/monitor/model_info.h"
#include "sidecar/tap/memory_file.h"

namespace outrider::exporting {

class ProxyMetrics final : public wire::Collector {
 public:
  explicit ProxyMetrics(const tap::MemoryFile& file) : file_(file) {}
  void set_model(std::string_view name, const monitor::Objectives& objectives);  // "": no label.
  void collect(wire::MetricSink& sink) override;

 private:
  const tap::MemoryFile& file_;
  std::mutex lock_;
  std::string model_;
  monitor::Objectives objectives_;
};

}  // namespace outrider::exporting
