// SPDX-License-Identifier: Apache-2.0
#pragma once

// Signals as values. Make one Signals at the top of main, before any thread starts: it blocks
// SIGTERM, SIGINT and SIGHUP in every thread, and ignores SIGPIPE; wait() then tells which came.

#include <optional>

#include "base/core/clock.h"

namespace outrider::net {

enum class Signal { terminate, reload };

class Signals {
 public:
  Signals();
  Signal wait() const;                                   // Until one comes.
  std::optional<Signal> wait_for(Duration limit) const;  // Nothing when none came in time.
};

}  // namespace outrider::net
