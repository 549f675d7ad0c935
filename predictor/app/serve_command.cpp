// SPDX-License-Identifier: Apache-2.0
#include <spdlog/spdlog.h>

#include <thread>

#include "base/net/metrics_page.h"
#include "base/net/shutdown.h"
#include "predictor/app/commands.h"
#include "predictor/app/gate_options.h"
#include "predictor/serve/api.h"

namespace outrider::app {
namespace {

struct ServeOptions {
  std::string registry, name;
  std::string listen_address = "127.0.0.1:8080";
  // A sidecar keeps up to 256 connections to its model, and each takes a thread here; the rest is
  // for health checks, scrapes and people.
  std::int64_t connections_max = 320;
  std::int64_t body_bytes_max = 8 << 20;
  Duration watch_interval = std::chrono::milliseconds(250);
  Duration drain_timeout = std::chrono::seconds(10);
  GateOptions gates;
};

std::shared_ptr<config::OptionTable> option_table(ServeOptions& o) {
  auto table = std::make_shared<config::OptionTable>();
  config::OptionTable& t = *table;
  t.add("registry", o.registry, "Folder of model versions.").value_name("DIR").required();
  t.add("name", o.name, "The model's name.").value_name("MODEL").required();
  t.add("web.listen-address", o.listen_address, "Where to serve.")
      .value_name("HOST:PORT")
      .example("0.0.0.0:8080");
  t.add("web.connections-max", o.connections_max, "Live connections; each takes a thread.")
      .between(2, 10000);
  t.add("web.body-max-bytes", o.body_bytes_max, "Largest request body; past it: 413.")
      .as_bytes()
      .between(1024, 1e9);
  t.add("registry.watch-interval", o.watch_interval,
        "How often the registry is looked at for another production version.")
      .between(0.01, 3600);
  t.add("web.drain-timeout", o.drain_timeout, "How long requests at hand may take after SIGTERM.")
      .between(0, 3600);
  return table;
}

void refresh(serve::LiveModel& live, bool always) {
  // A failure is logged and counted where it happens; what served keeps serving.
  [[maybe_unused]] const auto refreshed = live.refresh(always);
}

// Until SIGTERM: takes up what others promote; SIGHUP looks at once.
void watch(const net::Signals& signals, serve::LiveModel& live, Duration interval) {
  for (;;) {
    const auto signal = signals.wait_for(interval);
    if (signal == net::Signal::terminate) return;
    refresh(live, signal == net::Signal::reload);
  }
}

void drain(serve::Api& api, const serve::ServeMetrics& metrics, Duration timeout) {
  api.drain();
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (metrics.in_flight > 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

int run(const ServeOptions& o) {
  const net::Signals signals;
  static const SystemClock clock;
  registry::Registry registry(o.registry, o.name, clock);
  serve::ServeMetrics metrics(o.name);
  net::ProcessCollector process;
  serve::LiveModel live(registry, metrics);
  refresh(live, true);
  if (!live.current()) {
    spdlog::warn("{} has no production version in {}; not ready until one is promoted", o.name,
                 o.registry);
  }

  serve::Api api(registry, live, metrics);
  net::Router router;
  api.add_routes(router);
  router.add("GET", "/metrics", net::metrics_page({&metrics, &process}));
  net::HttpServer server({.listen_address = o.listen_address,
                          .connections_max = static_cast<int>(o.connections_max),
                          .body_bytes_max = static_cast<std::size_t>(o.body_bytes_max)},
                         std::move(router));
  spdlog::info("listening on port {}", server.port());
  watch(signals, live, o.watch_interval);
  spdlog::info("draining");
  drain(api, metrics, o.drain_timeout);
  server.stop();
  return 0;
}

}  // namespace

config::Command serve_command() {
  auto options = std::make_shared<ServeOptions>();
  return {.name = "serve",
          .summary = "Answers prediction requests with the production version.",
          .positional = "",
          .options = option_table(*options),
          .run = [options](const config::Positional&) { return run(*options); }};
}

}  // namespace outrider::app
