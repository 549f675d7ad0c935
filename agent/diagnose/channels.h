// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a component's metrics say about it: metrics become channels, known by their names alone.
// PURE.
//
//   channel        from                                                              worse when
//   cpu, memory    the metrics of that name                                          higher
//   self           self_latency_ms: time of its own, without waiting for others      higher
//   latency …      every [PREFIX_]latency_{mean,p50,p90,p95,p99}_{ms,s}, in ms, but   higher
//                  those of a client's side ("client", "caller", "calls" in the name)
//   wire           latency_at_callers_mean_ms - latency_mean_ms, 0 or more           higher
//   mesh wire      M_at_caller_X - M_of_calls_from_X, the worst caller X, likewise   higher
//   calls, spans   calls_out and spans a request                                     either way
//   asks X         requests of its callee X for each of its own (call_ratios.h)      lower
//   errors         1 - availability / 100, else errors a request                     higher
//   drift          drift_ratio: the farthest input's drift score over its threshold  higher
//   quality        quality_failures: failed checks of data quality a prediction      higher
//   wrong          wrong_predictions: share of predictions that were wrong           higher
//   upstream       upstream_failures: share of requests that the model server failed higher
//   gpu …          gpu_utilisation (%), gpu_memory (MiB), gpu_errors                 higher
//   restarts       restarts and pods that are not available                          higher
//
// Nothing else is read: a node's metrics are of all its pods, and of an unknown metric nobody knows
// which way is worse.
// Cost. O(metrics x rows).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/diagnose/rows.h"

namespace outrider::diagnose {

// What a channel's excess counts as. `latency` is inclusive: it contains the waiting for callees.
enum class Group : std::uint8_t {
  cpu,
  memory,
  self,
  latency,
  wire,
  calls,
  errors,
  drift,
  quality,
  wrong,
  upstream,
  gpu,
  restarts
};
constexpr std::size_t group_count = 13;

enum class Worse : std::uint8_t { higher, lower, either };

struct Channel {
  std::string name;  // Comparable between components of one name.
  Group group = Group::cpu;
  Worse worse = Worse::higher;
  Values values = {};  // One a row.
  Values least = {};   // Of shares: what a single request makes, a row. Else empty.
};

std::vector<Channel> channels_of(const Rows& rows);  // In the order of their names.

// Whether a channel may be made of it; what is not, a reader need not keep.
bool is_read(std::string_view metric);

}  // namespace outrider::diagnose
