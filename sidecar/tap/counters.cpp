// SPDX-License-Identifier: Apache-2.0
#include "sidecar/tap/counters.h"

namespace outrider::tap {

std::string_view to_string(Rejection rejection) {
  constexpr std::string_view words[rejection_count] = {
      "client_timeout", "too_many_connections", "queue_full", "queue_timeout", "wrong_protocol"};
  return words[static_cast<std::size_t>(rejection)];
}

std::string_view to_string(UpstreamFailure failure) {
  constexpr std::string_view words[upstream_failure_count] = {
      "upstream_unreachable", "upstream_connect_timeout",  "upstream_reset",
      "upstream_closed",      "upstream_invalid_response", "upstream_timeout",
      "upstream_truncated"};
  return words[static_cast<std::size_t>(failure)];
}

}  // namespace outrider::tap
