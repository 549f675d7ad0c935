// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a user sets of shipping predictions to agents, which join them with their labels.

#include <cstdint>
#include <string>
#include <vector>

#include "base/config/options.h"
#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/kafka/options.h"
#include "base/web/client_options.h"

namespace outrider {

// The variables must outlive the table they are added to.
struct ShippingOptions {
  std::vector<std::string> urls;  // Of agents; none: predictions wait here for their labels.
  std::string cluster, name_space, workload, pod;
  web::ClientOptions client;  // As whom the agents are told.
  kafka::Options kafka;       // Instead of `urls`.
  std::int64_t queue_bytes_max = std::int64_t{512} << 20;
  Duration queue_age_max = std::chrono::hours(24 * 30);

  bool enabled() const { return !urls.empty() || kafka.enabled(); }
  void add_to(config::OptionTable& table);
  // Error "bad_options": the agent would count outcomes under no name, or one that is none.
  Result<void> check() const;
};

}  // namespace outrider
