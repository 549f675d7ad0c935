// SPDX-License-Identifier: Apache-2.0
#pragma once

// The proxy's and the exchanges' metrics, read from the memory file at each scrape. They belong to
// the proxy process, so they outlive the monitor that renders them.
//
// Requests are told apart by model: under the configured name where exactly one is configured, else
// by the names that the proxy found in paths and headers, "unknown" where there is none and "other"
// past proxy.models-max. Requests in flight are the model server's as a whole, so they carry a
// configured name or none. Objectives for requests stand beside them, under the same names.
//
// Thread-safe: collect() may run in several threads at once. O(series): about 40 a model and a
// hundred more. A code and outcome that never occurred has no series, except the outcomes' usual
// ones, which begin at 0 so that rate() sees their first increase.

#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "base/net/tls_metrics.h"
#include "base/wire/exposition.h"
#include "sidecar/monitor/versions/model_info.h"
#include "sidecar/tap/memory_file.h"

namespace outrider::exporting {

class ProxyMetrics final : public wire::Collector {
 public:
  explicit ProxyMetrics(const tap::MemoryFile& file);
  // "": by what the proxy found.
  void set_model(std::string_view name, const monitor::Objectives& objectives);
  // Beside the proxy's own port, in the same families.
  void add_tls_port(net::TlsMetrics::Source port) { tls_.add(std::move(port)); }
  void collect(wire::MetricSink& sink) override;

 private:
  const tap::MemoryFile& file_;
  net::TlsMetrics tls_;
  std::mutex lock_;
  std::string model_;
  monitor::Objectives objectives_;
};

}  // namespace outrider::exporting
