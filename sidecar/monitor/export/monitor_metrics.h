// SPDX-License-Identifier: Apache-2.0
#pragma once

// The monitor's metrics: predictions, outcomes, accuracy, drift, per model version. Everything but
// the proxy's (proxy_metrics.h) and the prediction log's (labels/label_metrics.h).
//
// Thread-safe: collect() holds the monitor's lock while it reads. A series' labels are rendered
// once and kept as long as its version (and reference) is there, so that a scrape of 10 000 series
// copies and formats numbers: about 1 ms.
//
// What counts comes first and bins last, so that a page that would pass limits.series loses bins of
// the last features, and says how many series (outrider_series_dropped_total{limit="series"}).

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "base/core/clock.h"
#include "base/wire/exposition.h"
#include "sidecar/monitor/versions/monitor.h"

namespace outrider::exporting {

struct VersionKeys;

class MonitorMetrics final : public wire::Collector {
 public:
  // All outlive the collector; `lock` guards the monitor.
  MonitorMetrics(monitor::Monitor& monitor, std::mutex& lock, const Clock& clock);
  ~MonitorMetrics() override;
  void collect(wire::MetricSink& sink) override;

 private:
  class Page;
  VersionKeys& keys_of(const monitor::VersionMonitor& version);
  void forget_gone();
  void write_dropped(wire::MetricSink& sink);

  monitor::Monitor& monitor_;
  std::mutex& lock_;
  const Clock& clock_;
  std::map<std::uint64_t, std::unique_ptr<VersionKeys>> keys_;  // By the version's serial.
  std::uint64_t series_dropped_ = 0;  // The most that one page had to leave out.
  wire::SeriesKey dropped_models_, dropped_versions_, dropped_segments_, dropped_classes_,
      dropped_page_;
};

}  // namespace outrider::exporting
