// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/export/exporter.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/net/metrics_page.h"

namespace outrider::exporting {

Exporter::Exporter(const MonitorOptions& options, const std::filesystem::path& folder,
                   const Clock& clock)
    : options_(options), clock_(clock) {
  if (options.scrape.enabled()) scraper_ = std::make_unique<Scraper>(options.scrape, clock);
  if (options.remote_write.enabled()) {
    sender_ = std::make_unique<remote_write::Sender>(options.remote_write, folder / "remote-write",
                                                     clock);
  }
}

void Exporter::add(std::vector<wire::Collector*> collectors) {
  collectors_ = std::move(collectors);
  if (scraper_) collectors_.push_back(scraper_.get());
  if (sender_) collectors_.push_back(sender_.get());
}

// What tells how remote write goes stays on the page: where that way is broken, it is the only one.
net::Handler Exporter::page() {
  if (sender_ && !options_.remote_write_keeps_page) return net::metrics_page({sender_.get()});
  if (!scraper_) return net::metrics_page(collectors_);
  return net::metrics_page(collectors_, [this] { return scraper_->families(); });
}

void Exporter::start(std::uint16_t admin_port) {
  if (!scraper_ && !sender_) return;
  const remote_write::Options& options = options_.remote_write;
  if (sender_) {
    const std::string instance =
        options.instance.empty() ? remote_write::default_instance(admin_port) : options.instance;
    self_export_ = std::make_unique<remote_write::SelfExport>(
        collectors_, Labels{{"job", options.job}, {"instance", instance}}, *sender_);
    spdlog::info("metrics leave by remote write to {}", options.url);
  }
  loop_ =
      std::make_unique<ExportLoop>(ExportLoop::Parts{.scraper = scraper_.get(),
                                                     .own = self_export_.get(),
                                                     .sender = sender_.get(),
                                                     .scrape_interval = options_.scrape.interval,
                                                     .own_interval = options.interval},
                                   clock_);
}

void Exporter::stop(Duration limit) {
  if (loop_) loop_->stop();
  if (!sender_) return;
  if (!sender_->stop(std::min(limit, options_.remote_write.flush_deadline))) {
    spdlog::warn("not all was sent by remote write; the rest is queued for the next start");
  }
}

}  // namespace outrider::exporting
