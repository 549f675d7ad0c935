// SPDX-License-Identifier: Apache-2.0
#pragma once

// What keeps the monitor from taking memory that the model or the proxy needs. SHELL.

#include <cstdint>

namespace outrider::monitor {

// Should the kernel run out of memory, this process goes before its neighbours (oom_score_adj).
void be_first_to_go();

// From now on the process may grow by so many bytes of private, writable memory (RLIMIT_DATA); past
// that an allocation fails, the process ends, and the proxy starts another. Relative to now,
// because the threads' stacks are there already; and not of address space, of which malloc reserves
// 64 MiB a thread that it never touches. 0: no limit. Without effect under sanitizers, which map
// terabytes.
void limit_growth(std::int64_t bytes);

}  // namespace outrider::monitor
