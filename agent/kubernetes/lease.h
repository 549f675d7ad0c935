// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which agent of a pair acts: the holder of a coordination.k8s.io Lease. PURE.
//
// As client-go's leader election has it, with one rule more: what the holder believes is reckoned
// by its own monotonic clock from before the request that renewed the lease, less a margin. So it
// stops to act before anybody else may begin, whatever the clocks of the two say; they are never
// compared. A holder that cannot reach the API server stops likewise: an action expires to nothing.
//
// `leaseTransitions` grows each time that another takes the lease, and each process is another one:
// it is the fencing number that every action carries.
//
// Sources: Kubernetes API reference, coordination.k8s.io/v1 Lease; client-go,
// tools/leaderelection; M. Kleppmann, "How to do distributed locking", 2016.

#include <cstdint>
#include <optional>
#include <string>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/wire/json.h"

namespace outrider::kubernetes {

struct LeaseTimes {
  Duration lasts = std::chrono::seconds(15);
  Duration renew_every = std::chrono::seconds(3);
  Duration margin = std::chrono::seconds(5);  // That the holder stops before the lease's end.
};

class LeaseState {
 public:
  // `holder`: who we are; no other process ever had this name.
  LeaseState(std::string holder, LeaseTimes times) : holder_(std::move(holder)), times_(times) {}

  // The lease as it was read, at `monotonic`. Error "bad_lease".
  Result<void> see(const wire::Json& lease, Duration monotonic);
  // There is none (any more): numbers go on from the last that was seen.
  void see_none() { seen_ = {.transitions = seen_.transitions}; }

  // What to write, to take or to renew it; nothing while another holds it, or may. `now` is for
  // people who look at the lease.
  std::optional<wire::Json> wanted(const std::string& name_space, const std::string& name,
                                   Duration monotonic, Time now) const;
  // It was written: the answer, and when the request was begun.
  Result<void> won(const wire::Json& lease, Duration asked_at);

  // The fencing number while it is held.
  std::optional<std::int64_t> held(Duration monotonic) const;
  // Given back at the end, so that the other need not wait; nothing where it is not held.
  std::optional<wire::Json> released(Time now) const;

  const std::string& holder() const { return holder_; }
  const std::string& seen_holder() const { return seen_.holder; }

 private:
  struct Seen {
    std::string holder = {};
    std::int64_t transitions = 0;
    Duration lasts{};
    std::string version = {};  // resourceVersion; "": there is no lease.
    wire::Json object = {};
    Duration since{};  // When this version was first seen.
  };

  const std::string holder_;
  const LeaseTimes times_;
  Seen seen_;
  std::optional<Duration> until_;  // Ours.
};

}  // namespace outrider::kubernetes
