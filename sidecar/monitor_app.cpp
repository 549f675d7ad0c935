// SPDX-License-Identifier: Apache-2.0
// Replaced by the monitor's own composition root when it lands; until then it serves the proxy's metrics
// and passes over what the ring holds.
#include "sidecar/monitor_app.h"

#include <spdlog/spdlog.h>

#include "base/net/metrics_page.h"

namespace outrider {

void MonitorOptions::add_to(config::OptionTable& table) {
  table.add("web.listen-address", listen_address, "Address of the admin API.")
      .value_name("HOST:PORT");
  table.add("data.dir", data_dir, "Folder of the prediction log.").value_name("DIR");
  table.add("model.config", model_config, "Model configuration.").value_name("FILE");
  table.add("reference", reference, "Reference distributions.").value_name("FILE");
}

int run_monitor(const MonitorOptions& options, MonitorParts parts, const net::Signals& signals,
                const Clock&) {
  net::ProcessCollector process;
  parts.collectors.push_back(&process);
  net::Router router;
  router.add("GET", "/metrics", net::metrics_page(parts.collectors));
  router.add("GET", "/-/healthy",
             [](const net::HttpRequest&) { return net::text_response(200, "OK\n"); });
  router.add("GET", "/-/ready", [&parts](const net::HttpRequest&) {
    return parts.proxy_ready() ? net::text_response(200, "OK\n")
                               : net::text_response(503, "draining\n");
  });
  net::HttpServer server({.listen_address = options.listen_address}, std::move(router));
  parts.on_listening(server.port());
  const auto drain = [&parts] {
    for (tap::ExchangeSource* source : parts.sources)
      while (source->next() != nullptr) source->dispose(tap::Disposal::analysed());
  };
  for (;;) {
    drain();
    if (signals.wait_for(std::chrono::milliseconds(1)) == net::Signal::terminate) break;
  }
  drain();
  return 0;
}

}  // namespace outrider
