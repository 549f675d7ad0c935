// SPDX-License-Identifier: Apache-2.0
#pragma once

// Again and again (--truth.probe-interval): a prediction of nobody's is taken and labelled by the
// way that all labels go, and the time from its label to its outcome is measured. SHELL: a thread.
//
// It is apart from every model's figures: its workload (truth::probe_workload) is counted nowhere
// and exported nowhere, and a sidecar of that name is refused.
//
//   FreshnessProbe probe(probe_once, clock);      // probe_once: true when its outcome is counted

#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

#include "base/core/clock.h"
#include "base/wire/exposition.h"

namespace outrider::fleet {

class FreshnessProbe final : public wire::Collector {
 public:
  FreshnessProbe(std::function<bool()> probe_once, const Clock& clock,
                 Duration every = std::chrono::minutes(1));
  ~FreshnessProbe() override;

  void stop();  // Idempotent.
  void collect(wire::MetricSink& sink) override;

 private:
  void run(const std::stop_token& stop);

  const std::function<bool()> probe_once_;
  const Clock& clock_;
  const Duration every_;
  mutable std::mutex mutex_;
  std::array<std::uint64_t, std::size(wire::latency_buckets) + 1> buckets_{};
  double seconds_ = 0;
  std::uint64_t seen_ = 0, lost_ = 0;
  Time last_{};
  std::jthread thread_;  // Last: it uses all of the above.
};

}  // namespace outrider::fleet
