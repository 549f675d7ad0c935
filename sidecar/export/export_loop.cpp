// SPDX-License-Identifier: Apache-2.0
#include "sidecar/export/export_loop.h"

#include <algorithm>

namespace outrider::exporting {
namespace {

using SteadyClock = std::chrono::steady_clock;

// The next point of the grid after now: what was missed is left out.
SteadyClock::time_point next_on_grid(SteadyClock::time_point due, Duration interval) {
  const auto now = SteadyClock::now();
  if (due + interval > now) return due + interval;
  return due + interval * ((now - due) / interval + 1);
}

}  // namespace

ExportLoop::ExportLoop(Parts parts, const Clock& clock)
    : parts_(parts), clock_(clock), thread_([this](const std::stop_token& stop) { run(stop); }) {}

void ExportLoop::run(const std::stop_token& stop) {
  Instant scrape_at = parts_.scraper ? SteadyClock::now() : Instant::max();
  Instant own_at = parts_.own ? SteadyClock::now() : Instant::max();
  while (!stop.stop_requested()) {
    const Instant now = SteadyClock::now();
    const bool scrapes = now >= scrape_at, collects = now >= own_at;
    if (scrapes) {
      scrape();
      scrape_at = next_on_grid(scrape_at, parts_.scrape_interval);
    }
    if (collects) {
      parts_.own->round(clock_.now());
      own_at = next_on_grid(own_at, parts_.own_interval);
    }
    if ((scrapes || collects) && parts_.sender) parts_.sender->flush();
    std::unique_lock hold(mutex_);
    bell_.wait_until(hold, stop, std::min(scrape_at, own_at), [] { return false; });
  }
  finish();
}

void ExportLoop::scrape() {
  parts_.scraper->scrape();
  if (parts_.sender) parts_.sender->append(parts_.scraper->take_series());
}

void ExportLoop::finish() {
  if (!parts_.sender) return;
  const Time now = clock_.now();
  if (parts_.scraper) parts_.sender->append(parts_.scraper->end(now));
  if (parts_.own) parts_.own->end(now);
  parts_.sender->flush();
}

void ExportLoop::stop() {
  thread_.request_stop();
  bell_.notify_all();
  if (thread_.joinable()) thread_.join();
}

}  // namespace outrider::exporting
