// SPDX-License-Identifier: Apache-2.0
// What a user sets of this room.
#include "base/config/options.h"

#include "agent/truth/fleet_truth.h"

namespace outrider::fleet {

void FleetTruth::Settings::add_to(config::OptionTable& options) {
  options
      .add("truth.max-bytes", bytes_max,
           "Predictions and joined rows on disk; past it the oldest go, counted.")
      .as_bytes()
      .between(16 << 20, 1LL << 46);
  options
      .add("truth.max-delay", max_delay,
           "How long a prediction waits for its label; later ones are late.")
      .between(60, 3650.0 * 86'400);
  options
      .add("truth.early", early_hold,
           "The longest that a label is held whose prediction has not come, and that a silent "
           "sidecar is waited for.")
      .between(0, 7 * 86'400);
  options
      .add("truth.probe-interval", probe_every,
           "How often a synthetic prediction and its label tell how fresh the outcomes are.")
      .between(1, 60);
  options
      .add("truth.peer-url", peer_url,
           "The other agent of a pair: labels that come here are passed to it. Sidecars ship to "
           "both.")
      .as_url()
      .value_name("URL")
      .example("http://outrider-agent-1.outrider-agent:9510");
}

}  // namespace outrider::fleet
