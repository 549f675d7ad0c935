// SPDX-License-Identifier: Apache-2.0
#pragma once

// A program's own metrics by remote write, from the same collectors that render /metrics. SHELL for
// the collectors' sake; not thread-safe, no thread of its own.
//
//   SelfExport own({&monitor_metrics, &process, &sender}, {{"job", "outrider-sidecar"}, …},
//   sender);
//   own.round(clock.now());      // each interval: gathers, queues
//   own.end(clock.now());        // at an orderly end: a last round, then staleness markers for all

#include <vector>

#include "base/core/clock.h"
#include "base/core/series.h"
#include "base/remote_write/codec/staleness.h"
#include "base/remote_write/sender.h"
#include "base/wire/exposition.h"

namespace outrider::remote_write {

class SelfExport {
 public:
  // All outlive it. `target` are the labels of the program: job and instance.
  SelfExport(std::vector<wire::Collector*> collectors, Labels target, Sender& sender)
      : collectors_(std::move(collectors)), target_(std::move(target)), sender_(sender) {}

  // Queues one sample of every series; does not flush.
  void round(Time now);
  void end(Time now);

 private:
  std::vector<wire::Collector*> collectors_;
  Labels target_;
  Sender& sender_;
  StalenessTracker staleness_;
};

// HOST:PORT of this machine: what "instance" is when nobody says.
std::string default_instance(std::uint16_t port);

}  // namespace outrider::remote_write
