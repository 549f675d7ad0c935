// SPDX-License-Identifier: Apache-2.0
#include "predictor/serve/service_line.h"

#include <algorithm>

namespace outrider::serve {

ServiceLine::ServiceLine(std::size_t places, Duration service_time) : service_time_(service_time) {
  for (std::size_t i = 0; i < std::max<std::size_t>(places, 1); ++i) free_at_.emplace();
}

ServiceLine::Steady ServiceLine::join(Steady now) {
  const std::lock_guard lock(mutex_);
  const Steady done =
      std::max(free_at_.top(), now) + std::chrono::duration_cast<Steady::duration>(service_time_);
  free_at_.pop();
  free_at_.push(done);
  return done;
}

}  // namespace outrider::serve
