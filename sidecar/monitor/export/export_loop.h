// SPDX-License-Identifier: Apache-2.0
#pragma once

// The sidecar's threads that scrape, gather the sidecar's own metrics, and hand both to the sender:
// one each, so that a target that hangs delays nothing but itself. SHELL.
//
//   ExportLoop loop({.scraper = &scraper, .own = &own, .sender = &sender, …}, clock);
//   loop.stop();      // last values, staleness markers for all series, flush to the queue
//
// The first round is at once; the first own metrics wait up to two seconds for the first scrape, so
// that the first request has all. Rounds stand on a grid from the start: a slow one does not shift
// the next.

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "base/core/clock.h"
#include "base/remote_write/self_export.h"
#include "base/remote_write/sender.h"
#include "sidecar/monitor/export/scraper.h"

namespace outrider::exporting {

class ExportLoop {
 public:
  struct Parts {
    Scraper* scraper = nullptr;               // Null: nothing is scraped.
    remote_write::SelfExport* own = nullptr;  // Null without the sender.
    remote_write::Sender* sender = nullptr;   // Null: what is scraped goes to /metrics alone.
    Duration scrape_interval{}, own_interval{};
  };

  ExportLoop(Parts parts, const Clock& clock);
  ~ExportLoop() { stop(); }
  void stop();  // Idempotent. Ends a scrape under way; does not wait for the sender.

 private:
  void run(const std::stop_token& stop, Duration interval, const std::function<void()>& round);
  void scrape();
  void gather();
  void wait_for_scrape(const std::stop_token& stop);

  const Parts parts_;
  const Clock& clock_;
  std::mutex mutex_;
  std::condition_variable_any bell_;
  bool has_scraped_ = false;
  bool stopped_ = false;  // stop()'s own.
  std::jthread scraping_, gathering_;
};

}  // namespace outrider::exporting
