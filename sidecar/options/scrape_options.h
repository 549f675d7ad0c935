// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a user sets of scraping the model server's own metrics.

#include <cstdint>
#include <string>
#include <vector>

#include "base/config/options.h"
#include "base/core/clock.h"
#include "base/web/client_options.h"

namespace outrider::exporting {

// The variables must outlive the table they are added to.
struct ScrapeOptions {
  std::vector<std::string> targets;  // URLs; none: nothing is scraped.
  std::string job = "model-server";
  web::ClientOptions client;
  Duration interval = std::chrono::seconds(15);
  Duration timeout = std::chrono::seconds(10);  // The interval, where that is shorter.
  std::int64_t body_bytes_max = 16 << 20;
  std::int64_t samples_max = 50'000;

  bool enabled() const { return !targets.empty(); }
  void add_to(config::OptionTable& table);
};

}  // namespace outrider::exporting
