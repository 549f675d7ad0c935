// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/export/export_loop.h"

#include <utility>

namespace outrider::exporting {
namespace {

using SteadyClock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr Duration first_scrape_wait = 2s;

// The next point of the grid after now: what was missed is left out.
SteadyClock::time_point next_on_grid(SteadyClock::time_point due, Duration interval) {
  const auto now = SteadyClock::now();
  if (due + interval > now) return due + interval;
  return due + interval * ((now - due) / interval + 1);
}

}  // namespace

ExportLoop::ExportLoop(Parts parts, const Clock& clock) : parts_(parts), clock_(clock) {
  if (parts_.scraper) {
    scraping_ = std::jthread([this](const std::stop_token& stop) {
      run(stop, parts_.scrape_interval, [this] { scrape(); });
    });
  }
  if (parts_.own) {
    gathering_ = std::jthread([this](const std::stop_token& stop) {
      wait_for_scrape(stop);
      run(stop, parts_.own_interval, [this] { gather(); });
    });
  }
}

void ExportLoop::run(const std::stop_token& stop, Duration interval,
                     const std::function<void()>& round) {
  auto due = SteadyClock::now();
  while (!stop.stop_requested()) {
    round();
    due = next_on_grid(due, interval);
    std::unique_lock hold(mutex_);
    bell_.wait_until(hold, stop, due, [] { return false; });
  }
}

void ExportLoop::scrape() {
  if (!parts_.scraper->scrape()) return;
  if (parts_.sender) {
    parts_.sender->append(parts_.scraper->take_series());
    // The first scrape goes with the first own metrics, which wait for it.
    if (has_scraped_) parts_.sender->flush();
  }
  if (has_scraped_) return;
  {
    const std::lock_guard hold(mutex_);
    has_scraped_ = true;
  }
  bell_.notify_all();
}

void ExportLoop::wait_for_scrape(const std::stop_token& stop) {
  if (!parts_.scraper) return;
  std::unique_lock hold(mutex_);
  bell_.wait_for(hold, stop, first_scrape_wait, [this] { return has_scraped_; });
}

void ExportLoop::gather() {
  parts_.own->round(clock_.now());
  parts_.sender->flush();
}

void ExportLoop::stop() {
  if (std::exchange(stopped_, true)) return;
  if (parts_.scraper) parts_.scraper->cancel();
  for (std::jthread* thread : {&scraping_, &gathering_}) thread->request_stop();
  for (std::jthread* thread : {&scraping_, &gathering_}) {
    if (thread->joinable()) thread->join();
  }
  if (!parts_.sender) return;
  const Time now = clock_.now();
  if (parts_.scraper) parts_.sender->append(parts_.scraper->end(now));
  if (parts_.own) parts_.own->end(now);
  parts_.sender->flush();
}

}  // namespace outrider::exporting
