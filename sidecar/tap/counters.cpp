// SPDX-License-Identifier: Apache-2.0
#include "sidecar/tap/counters.h"

namespace outrider::tap {

std::string_view to_string(Rejection rejection) {
  constexpr std::string_view words[rejection_count] = {
      "malformed",      "head_too_large", "target_too_long",      "body_too_large",
      "client_timeout", "method_refused", "too_many_connections", "queue_full",
      "queue_timeout",  "draining"};
  return words[static_cast<std::size_t>(rejection)];
}

}  // namespace outrider::tap
