// SPDX-License-Identifier: Apache-2.0
#pragma once

// The agent's series by remote write: its own metrics each interval, and whatever else is appended to the
// sender. Inert where no receiver is given. SHELL: one thread.

#include <cstdint>
#include <filesystem>
#include <memory>
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
  // Its queue stands in the folder; the clock outlives it.
  OwnExport(const remote_write::Options& options, const std::filesystem::path& folder,
            const Clock& clock);
  ~OwnExport() { stop(); }

  // Null where no receiver is given, and after stop().
  remote_write::Sender* sender() { return sender_.get(); }

  // The collectors outlive it. The port tells the agent's instance where the options do not.
  void start(std::vector<wire::Collector*> collectors, std::uint16_t port);

  // Last values, staleness markers, and what can be sent within the deadline.
  void stop();

 private:
  void run(const std::stop_token& stop);

  const remote_write::Options options_;
  const Clock& clock_;
  std::unique_ptr<remote_write::Sender> sender_;
  std::unique_ptr<remote_write::SelfExport> own_;
  std::jthread thread_;
};

}  // namespace outrider
