// SPDX-License-Identifier: Apache-2.0
#include "sidecar/memory_limit.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

namespace outrider {

void be_first_to_go() {
  // 1000 would be "always this one"; a little below, a runaway neighbour can still be chosen.
  std::ofstream("/proc/self/oom_score_adj") << 900;
}

void limit_growth(std::int64_t bytes) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  (void)bytes;
#else
  if (bytes <= 0) return;
  std::ifstream statm("/proc/self/statm");
  std::int64_t pages = 0;
  if (!(statm >> pages)) return;
  const auto limit = static_cast<rlim_t>(pages * sysconf(_SC_PAGESIZE) + bytes);
  rlimit wanted{limit, RLIM_INFINITY};
  rlimit current{};
  if (getrlimit(RLIMIT_AS, &current) == 0) wanted.rlim_max = current.rlim_max;
  setrlimit(RLIMIT_AS, &wanted);
#endif
}

}  // namespace outrider
