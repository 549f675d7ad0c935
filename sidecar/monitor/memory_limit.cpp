// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/memory_limit.h"

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

namespace outrider::monitor {

void be_first_to_go() {
  // 1000 would be "always this one"; a little below, a runaway neighbour can still be chosen.
  std::ofstream("/proc/self/oom_score_adj") << 900;
}

void limit_growth(std::int64_t bytes) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  (void)bytes;
#else
  if (bytes <= 0) return;
  // A thread's own malloc arena reserves 64 MiB of addresses; a few shared ones do for an admin
  // server.
  mallopt(M_ARENA_MAX, 4);
  std::ifstream statm("/proc/self/statm");
  std::int64_t size = 0, resident = 0, shared = 0, text = 0, library = 0, data = 0;
  if (!(statm >> size >> resident >> shared >> text >> library >> data)) return;
  rlimit limit{};
  if (getrlimit(RLIMIT_DATA, &limit) != 0) return;
  limit.rlim_cur = static_cast<rlim_t>(data * sysconf(_SC_PAGESIZE) + bytes);
  setrlimit(RLIMIT_DATA, &limit);
#endif
}

}  // namespace outrider::monitor
