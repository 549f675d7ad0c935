// SPDX-License-Identifier: Apache-2.0
#pragma once

// What goes on beside the traffic, on a thread of its own: references that changed on disk,
// provisional references of what was learned, the inputs' state on disk, and a prediction log that
// could not be opened yet. SHELL.

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <thread>

#include "base/core/clock.h"
#include "sidecar/monitor/guarded_monitor.h"
#include "sidecar/monitor/references/reference_set.h"
#include "sidecar/monitor/state/log_holder.h"

namespace outrider::monitor {

class Housekeeping {
 public:
  // Restores the inputs' state and reads the references before it returns; start() begins the
  // thread.
  Housekeeping(const std::filesystem::path& folder, const ModelConfig& config,
               GuardedMonitor& guarded, LogHolder& log, const Clock& clock);
  ~Housekeeping() { stop(); }

  void start();
  void stop();  // Idempotent. Saves the inputs' state.
  // The places of references are those of this configuration from now on. Thread-safe.
  void configure(const ModelConfig& config);

 private:
  void run(const std::stop_token& stop);
  bool wait(const std::stop_token& stop);  // True when configure() called.
  void refresh_references();
  void build_provisional();
  void save_inputs();
  void restore_inputs();

  const std::filesystem::path folder_;
  GuardedMonitor& guarded_;
  LogHolder& log_;
  const Clock& clock_;
  ReferenceSet references_;
  std::uint64_t refusals_told_ = 0;

  std::mutex lock_;
  std::condition_variable_any bell_;
  bool called_ = false;
  std::optional<ModelConfig> new_places_;
  std::jthread thread_;
};

}  // namespace outrider::monitor
