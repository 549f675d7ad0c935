// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a container should ask for, from what it used. PURE. Modest: requests only.
//
// CPU: the 95th percentile of five-minute rates of the pod that uses most, at least 10 millicores.
//   Memory: the highest working set, and 15 % more, at least 32 MiB; after a kill for want of
//   memory at least a quarter more than the limit that was too low. As Robusta's KRR does it.
// Never lower where use was cut off: a container that was throttled in more than 5 % of its periods
//   shows what its limit allows, not what it needs. Then a request below today's is not proposed,
//   and the answer says so: recommendations that follow a capped use would shrink for ever.
// Nothing is proposed from less than a day.
// Risk, in words: how far the highest use lies above the proposal, what was cut off, what was
// killed. Idle: no prediction within the history, where the sidecar's counters say so.

#include <optional>
#include <string>
#include <vector>

#include "agent/right_size/usage.h"

namespace outrider::right_size {

struct RightSize {
  ContainerUsage usage;
  std::optional<double> cpu = {},
                        memory = {};  // Requests proposed, a pod: cores, bytes. None: no proposal.
  double cpu_saved = 0, memory_saved = 0;  // All pods; below 0: it needs more.
  bool idle = false;
  std::vector<std::string> notes = {};
};

RightSize advise(const ContainerUsage& usage);

// A table for people, and its sums; JSON: {"containers": [..], "saved": {"cpu", "memory_bytes"}}.
std::string to_table(const std::vector<RightSize>& all);
std::string to_json(const std::vector<RightSize>& all);

}  // namespace outrider::right_size
