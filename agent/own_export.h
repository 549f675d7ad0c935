// SPDX-License-Identifier: Apache-2.0
#pragma once

// The agent's own metrics by remote write, each interval. SHELL: one thread.
//
// It reads the collectors up to its end, so it is made after them and ends before them, whatever
// way the agent ends; the sender, which others append to as well, outlives all of these.

#include <cstdint>
#include <thread>
#include <vector>

#include "base/core/clock.h"
#include "base/remote_write/options.h"
#include "base/remote_write/self_export.h"
#include "base/remote_write/sender.h"
#include "base/wire/exposition.h"

namespace outrider {

class OwnExport {
 public:
  // All but the options outlive it. The port tells the agent's instance where the options do not.
  OwnExport(const remote_write::Options& options, std::vector<wire::Collector*> collectors,
            std::uint16_t port, remote_write::Sender& sender, const Clock& clock);
  ~OwnExport() { stop(); }

  // Last values and staleness markers, queued. Idempotent.
  void stop();

 private:
  void run(const std::stop_token& stop);

  const Duration interval_;
  const Clock& clock_;
  remote_write::SelfExport own_;
  std::jthread thread_;
};

}  // namespace outrider
