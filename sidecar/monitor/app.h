// SPDX-License-Identifier: Apache-2.0
#pragma once

// The monitor process: ring -> decode -> monitor -> prediction log -> admin HTTP. The one place
// where these are wired. It is the proxy's child; what happens to it never touches a proxied byte.
//
//   MonitorParts parts{.sources = {&ring}, .collectors = {&proxy_metrics}, .count_posted = …};
//   return run_monitor(options, parts, signals, clock); // Until SIGTERM; flushes; the exit status.
//
// Metrics leave by /metrics or, where remote-write.url is set, by remote write; then /metrics has
// only what tells how that goes.
//
// Threads: the caller's polls the sources, decodes and feeds the monitor; one keeps house
// (references, state on disk); one scrapes and gathers, one sends; the log has its own; HTTP
// requests are served by the admin server's. The monitor's state is under one lock, held for one
// exchange, one group of labels or one scrape.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "base/net/shutdown.h"
#include "base/net/tls_metrics.h"
#include "base/wire/exposition.h"
#include "sidecar/monitor/versions/model_info.h"
#include "sidecar/options/monitor_options.h"
#include "sidecar/tap/capture_settings.h"
#include "sidecar/tap/exchange.h"

namespace outrider::monitor {

// What the sidecar's composition root hands over. Everything outlives the run.
struct MonitorParts {
  std::vector<tap::ExchangeSource*> sources;  // May be empty.
  std::vector<wire::Collector*> collectors;   // More for /metrics: the proxy's counters.
  // Counts an exchange that came by POST /api/v1/exchanges: as seen, and as what became of it. The
  // memory file keeps these, as it does the ring's. Called from the monitor's thread only.
  std::function<void(tap::Disposal)> count_posted = [](tap::Disposal) {};
  // Hands the proxy what to capture, at the start and after each reload.
  std::function<void(const tap::CaptureSettings&)> publish_capture =
      [](const tap::CaptureSettings&) {};
  // The model's name where exactly one is configured, else "", and the objectives. As
  // publish_capture.
  std::function<void(std::string_view, const monitor::Objectives&)> on_model =
      [](std::string_view, const monitor::Objectives&) {};
  // Called at each turn of the polling thread: the sign of life that the supervisor watches.
  std::function<void()> on_turn = [] {};
  // True while the proxy accepts traffic; part of /-/ready.
  std::function<bool()> proxy_ready = [] { return true; };
  // Takes what tells of each port that speaks TLS. Called before the ports listen.
  std::function<void(net::TlsMetrics::Source)> on_tls_port = [](const net::TlsMetrics::Source&) {};
  // Called once the admin port listens, with the port that was bound.
  std::function<void(std::uint16_t)> on_listening = [](std::uint16_t) {};
};

// Runs until Signal::terminate; Signal::reload and POST /-/reload re-read the model configuration
// and references (a bad file is refused, logged and told by outrider_config_last_reload_successful,
// and the old settings stay). Returns the exit status. Throws std::runtime_error when it cannot
// start: a bad model configuration, a port in use. A prediction log that cannot be opened is tried
// again every few seconds; meanwhile labels are answered with 503 and everything else goes on.
int run_monitor(const MonitorOptions& options, MonitorParts parts, const net::Signals& signals,
                const Clock& clock);

// Reads the model configuration and what it names, and says that they are right. Returns the exit
// status. Throws std::runtime_error, with the reason, where they are not.
int check_configuration(const MonitorOptions& options);

}  // namespace outrider::monitor
