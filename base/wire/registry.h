// SPDX-License-Identifier: Apache-2.0
#pragma once

// A program's ordinary counters, gauges and histograms: prometheus-cpp's registry as a Collector.
// What is counted for each proxied request, or differs in labels from scrape to scrape, has cells
// of its own (exposition.h). Thread-safe.
//
//   Registry metrics;
//   prometheus::Counter& changes = metrics.counter("outrider_agent_changes_total", "Change events
//   taken in."); changes.Increment();

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <string>

#include "base/wire/exposition.h"

namespace outrider::wire {

class Registry final : public Collector {
 public:
  using LabelMap = std::map<std::string, std::string>;

  // The series, at 0 from now on; the same one for the same name and labels. A name has one help
  // and one type: another throws std::invalid_argument. The reference is valid as long as the
  // registry.
  prometheus::Counter& counter(const std::string& name, const std::string& help,
                               const LabelMap& labels = {});
  prometheus::Gauge& gauge(const std::string& name, const std::string& help,
                           const LabelMap& labels = {});
  // With the field's latency_buckets, in seconds.
  prometheus::Histogram& latency(const std::string& name, const std::string& help,
                                 const LabelMap& labels = {});

  // Of counts of things: buckets of 1, 2, 5, 10, … 1000.
  prometheus::Histogram& counts(const std::string& name, const std::string& help,
                                const LabelMap& labels = {});

  void collect(MetricSink& sink) override { wire::collect(registry_, sink); }

 private:
  prometheus::Registry registry_;
};

}  // namespace outrider::wire
