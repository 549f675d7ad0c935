// SPDX-License-Identifier: Apache-2.0
#pragma once

// The sidecar's thread that scrapes, gathers the sidecar's own metrics, and hands both to the sender.
// SHELL. The first round is at once and has all in it; afterwards scrapes and own metrics have intervals of
// their own. Rounds stand on a grid from the start, so that a slow one does not shift the next.
//
//   ExportLoop loop({.scraper = &scraper, .own = &own, .sender = &sender, …}, clock);
//   loop.stop();      // last values, staleness markers for all series, flush to the queue

#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/core/clock.h"
#include "base/remote_write/self_export.h"
#include "base/remote_write/sender.h"
#include "sidecar/export/scraper.h"

namespace outrider::exporting {

class ExportLoop {
 public:
  struct Parts {
    Scraper* scraper = nullptr;               // Null: nothing is scraped.
    remote_write::SelfExport* own = nullptr;  // Null with the sender.
    remote_write::Sender* sender = nullptr;   // Null: what is scraped goes to /metrics alone.
    Duration scrape_interval{}, own_interval{};
  };

  ExportLoop(Parts parts, const Clock& clock);
  ~ExportLoop() { stop(); }
  void stop();  // Idempotent. Does not wait for the sender.

 private:
  using Instant = std::chrono::steady_clock::time_point;
  void run(const std::stop_token& stop);
  void scrape();
  void finish();

  const Parts parts_;
  const Clock& clock_;
  std::mutex mutex_;
  std::condition_variable_any bell_;
  std::jthread thread_;
};

}  // namespace outrider::exporting
