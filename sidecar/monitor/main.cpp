// SPDX-License-Identifier: Apache-2.0
// outrider-monitor: the monitor process, which the proxy starts beside itself with its own options.
// It speaks in outrider-sidecar's name.

#include <stdexcept>
#include <utility>

#include "base/config/program.h"
#include "sidecar/monitor/app.h"
#include "sidecar/monitor/export/proxy_metrics.h"
#include "sidecar/options/settings.h"
#include "sidecar/tap/handover.h"

namespace {

using namespace outrider;

int run(const MonitorOptions& options) {
  const net::Signals signals;
  tap::MemoryFile file = tap::inherit_memory_file();
  tap::RingSource ring(file);
  tap::PostedCounts posted(file);
  tap::ProcessCells& cells = file.processes();
  exporting::ProxyMetrics proxy_metrics(file);
  monitor::MonitorParts parts;
  parts.sources = {&ring};
  parts.collectors = {&proxy_metrics};
  parts.count_posted = [&](tap::Disposal disposal) { posted.count(disposal); };
  parts.publish_capture = [&](const tap::CaptureSettings& capture) {
    const auto compiled = tap::compile(capture);
    if (!compiled) throw std::runtime_error(compiled.error().message);
    file.capture_settings().publish(*compiled);
  };
  parts.on_model = [&](std::string_view name, const monitor::Objectives& objectives) {
    proxy_metrics.set_model(name, objectives);
  };
  parts.on_tls_port = [&](net::TlsMetrics::Source port) {
    proxy_metrics.add_tls_port(std::move(port));
  };
  parts.on_turn = [&] { cells.monitor_beats.add(); };
  parts.proxy_ready = [&] { return cells.proxy_ready.get() != 0; };
  parts.on_listening = [&](std::uint16_t port) {
    cells.monitor_port.set(port);
    cells.monitor_ready.set(1);
  };
  return monitor::run_monitor(options, std::move(parts), signals, SystemClock());
}

int called_alone(const config::Positional&) {
  throw std::runtime_error("outrider-monitor does not serve; run outrider-sidecar serve");
}

}  // namespace

int main(int argc, char** argv) {
  sidecar::Settings settings;
  const config::Command serve = sidecar::serve_command(settings, called_alone);
  const config::Command monitoring{"monitor", "The monitoring half, which serve starts itself.", "",
                                   serve.options, [&](const config::Positional&) {
                                     return settings.monitor.check_alone
                                                ? monitor::check_configuration(settings.monitor)
                                                : run(settings.monitor);
                                   }};
  return config::run_program(sidecar::program_name, sidecar::program_summary, {serve, monitoring},
                             argc, argv);
}
