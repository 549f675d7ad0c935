// SPDX-License-Identifier: Apache-2.0
#pragma once

// How metrics leave the monitor: by /metrics or, where remote-write.url is set, by remote write;
// then /metrics has only what tells how that goes, unless both are asked for. A series leaves one
// way. SHELL.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "base/core/clock.h"
#include "base/net/http_server.h"
#include "base/remote_write/self_export.h"
#include "base/remote_write/sender.h"
#include "base/wire/exposition.h"
#include "sidecar/monitor/export/export_loop.h"
#include "sidecar/monitor/export/scraper.h"
#include "sidecar/options/monitor_options.h"

namespace outrider::exporting {

class Exporter {
 public:
  // Opens the queue in `folder`. The collectors and options outlive it.
  Exporter(const MonitorOptions& options, const std::filesystem::path& folder, const Clock& clock);

  // Before page() and start(): what is exported besides the exporter's own.
  void add(std::vector<wire::Collector*> collectors);
  net::Handler page();
  // `admin_port` is part of the default instance. Begins to scrape, gather and send, where any of
  // it is asked for.
  void start(std::uint16_t admin_port);
  // Ends it; what is not sent within the limit is queued for the next start.
  void stop(Duration limit);

 private:
  const MonitorOptions& options_;
  const Clock& clock_;
  std::vector<wire::Collector*> collectors_;
  std::unique_ptr<Scraper> scraper_;
  std::unique_ptr<remote_write::Sender> sender_;
  std::unique_ptr<remote_write::SelfExport> self_export_;
  std::unique_ptr<ExportLoop> loop_;
};

}  // namespace outrider::exporting
