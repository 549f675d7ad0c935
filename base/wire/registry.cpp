// SPDX-License-Identifier: Apache-2.0
#include "base/wire/registry.h"

#include <iterator>

namespace outrider::wire {

prometheus::Counter& Registry::counter(const std::string& name, const std::string& help,
                                       const LabelMap& labels) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry_).Add(labels);
}

prometheus::Gauge& Registry::gauge(const std::string& name, const std::string& help,
                                   const LabelMap& labels) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry_).Add(labels);
}

prometheus::Histogram& Registry::latency(const std::string& name, const std::string& help,
                                         const LabelMap& labels) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry_).Add(
      labels, prometheus::Histogram::BucketBoundaries(std::begin(latency_buckets),
                                                      std::end(latency_buckets)));
}

prometheus::Histogram& Registry::counts(const std::string& name, const std::string& help,
                                        const LabelMap& labels) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry_).Add(
      labels, prometheus::Histogram::BucketBoundaries{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000});
}

}  // namespace outrider::wire
