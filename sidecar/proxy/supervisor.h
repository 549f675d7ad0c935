// SPDX-License-Identifier: Apache-2.0
#pragma once

// Keeps the monitor process alive: starts the program beside this one, `outrider-monitor monitor`,
// hands over the memory file, and starts it anew when it dies, after 100 ms at first and up to 5 s
// while it keeps dying. One that cannot be started counts as one that died. One that lives but does
// nothing for `frozen_timeout` is killed. SHELL; one thread, which must live as long as the
// process: the kernel tells the monitor of that thread's end (PR_SET_PDEATHSIG).
//
//   Supervisor monitor(arguments, file, 30s);
//   monitor.tend(now);                     // at least some times a second
//   monitor.stop(10s);                     // flush, then exit

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "base/core/backoff.h"
#include "sidecar/tap/memory_file.h"

namespace outrider::sidecar {

inline constexpr char monitor_program_name[] = "outrider-monitor";
// argv of a monitor with the proxy's own options.
std::vector<std::string> monitor_command(const std::vector<std::string>& arguments);

class Supervisor {
 public:
  using Instant = std::chrono::steady_clock::time_point;

  // `arguments` are those of `outrider-sidecar` without the command. `frozen_timeout` 0: never.
  Supervisor(std::vector<std::string> arguments, const tap::MemoryFile& file,
             Duration frozen_timeout);
  ~Supervisor() { stop(Duration::zero()); }
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  void tend(Instant now);
  void reload();              // SIGHUP: the monitor reads its model configuration again.
  void stop(Duration limit);  // SIGTERM; past the limit SIGKILL. Idempotent.

 private:
  void start(Instant now);
  void note_death(int status, Instant now);
  Duration plan_restart(Instant now);  // Counted; how long until then.
  void watch(Duration passed);
  bool wait_for_end(Duration limit);

  std::vector<std::string> arguments_;
  const tap::MemoryFile& file_;
  Backoff backoff_{{.initial = std::chrono::milliseconds(100), .max = std::chrono::seconds(5)}};
  pid_t child_ = -1;
  bool stopped_ = false;
  Instant started_{}, start_at_{}, tended_{};
  const Duration frozen_timeout_;
  Duration silent_{};  // For how long the monitor has shown no sign of work.
  std::uint64_t beats_seen_ = 0;
};

}  // namespace outrider::sidecar
