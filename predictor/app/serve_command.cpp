// SPDX-License-Identifier: Apache-2.0
#include <spdlog/spdlog.h>

#include <optional>
#include <stdexcept>
#include <thread>

#include "base/config/yaml.h"
#include "base/core/text.h"
#include "base/net/metrics_page.h"
#include "base/net/shutdown.h"
#include "base/net/tls_metrics.h"
#include "base/net/tls_port.h"
#include "base/web/client_options.h"
#include "base/web/make_guard.h"
#include "base/web/tls_port_of.h"
#include "predictor/app/commands.h"
#include "predictor/gates/gates.h"
#include "predictor/retrain/job_queue.h"
#include "predictor/serve/api.h"
#include "predictor/serve/control.h"

namespace outrider::app {
namespace {

struct ServeOptions {
  std::string registry, name;
  // A sidecar keeps up to 256 connections to its model, and each takes a thread here; the rest is
  // for health checks, scrapes and people.
  net::HttpServer::Settings server{.listen_address = "127.0.0.1:8080", .connections_max = 320};
  Duration watch_interval = std::chrono::milliseconds(250);
  Duration drain_timeout = std::chrono::seconds(10);
  Duration service_time{};
  std::size_t concurrency = 1;
  std::string jobs_file;
  std::string control_token_file;
  web::AccessOptions access;
  web::TlsOptions web_tls;
  web::ClientOptions retrain_client;
  retrain::Rules retrain;
};

void add_retrain_options(config::OptionTable& t, ServeOptions& o) {
  t.add("retrain.data", o.retrain.sources.original_file,
        "CSV file of the original rows; default: the one production's card names.")
      .value_name("FILE.csv");
  t.add("retrain.url", o.retrain.sources.url,
        "Labelled live rows: /api/v1/training-data of a sidecar or the agent.")
      .as_url();
  t.add("retrain.url-token-file", o.retrain_client.bearer_token_file,
        "File with the bearer token for --retrain.url; read again each time.")
      .value_name("FILE");
  o.retrain_client.add_tls_to(t, "retrain", "the server of --retrain.url");
  t.add("retrain.file", o.retrain.sources.growing_file,
        "CSV file of labelled live rows to which somebody appends (features, label, timestamp).")
      .value_name("FILE.csv");
  t.add("retrain.jobs", o.jobs_file,
        "File of the retraining jobs; default: jobs.json beside the model's versions. Servers that "
        "share a registry need one each.")
      .value_name("FILE");
  t.add("retrain.max-bytes", o.retrain.sources.bytes_max,
        "Largest answer or file of live rows read.")
      .as_bytes()
      .between(1024, std::int64_t{1} << 40);
  t.add("retrain.rows-min", o.retrain.plan.rows_min,
        "Rows since the change needed to learn anew; with fewer the parent is recalibrated.")
      .between(20, 1e9);
  t.add("retrain.wait", o.retrain.patience.limit,
        "How long a retraining may wait for retrain.rows-wanted rows since the change; 0: not at "
        "all.")
      .between(0, 86400);
  t.add("retrain.rows-wanted", o.retrain.patience.rows,
        "Rows since the change that end the wait of retrain.wait.")
      .between(1, 1e9);
  t.add("retrain.holdout", o.retrain.plan.holdout,
        "Share of the newest live rows on which a new version is judged.")
      .between(0.01, 0.9);
}

std::shared_ptr<config::OptionTable> option_table(ServeOptions& o) {
  auto table = std::make_shared<config::OptionTable>();
  config::OptionTable& t = *table;
  t.add("registry", o.registry, "Folder of model versions.").value_name("DIR").required();
  t.add("name", o.name, "The model's name.").value_name("MODEL").required();
  t.add("web.listen-address", o.server.listen_address, "Where to serve.")
      .value_name("HOST:PORT")
      .example("0.0.0.0:8080");
  t.add("web.connections-max", o.server.connections_max, "Live connections; each takes a thread.")
      .between(2, 10000);
  t.add("web.body-max-bytes", o.server.body_bytes_max, "Largest request body; past it: 413.")
      .as_bytes()
      .between(1024, 1e9);
  o.access.add_to(t);
  o.web_tls.add_to(t, "web", "the model's port and its API");
  t.add("registry.watch-interval", o.watch_interval,
        "How often the registry is looked at for another production version.")
      .between(0.01, 3600);
  t.add("web.drain-timeout", o.drain_timeout, "How long requests at hand may take after SIGTERM.")
      .between(0, 3600);
  t.add(
       "predict.service-time", o.service_time,
       "How long a request for predictions is worked on, at least; 0: as long as it takes. Plays a "
       "heavier model, to try out saturation and scaling: the time is waited, not computed.")
      .between(0, 60);
  t.add("predict.concurrency", o.concurrency,
        "Requests worked on at once with predict.service-time; the others wait in line.")
      .between(1, 1000);
  t.add("control.token-file", o.control_token_file,
        "File with a bearer token that may do everything; retrain, promote and rollback requests "
        "then need it, or one of web.tokens-file.")
      .value_name("FILE");
  add_retrain_options(t, o);
  o.retrain.gates.add_to(t);
  return table;
}

// No token when no file is named.
std::string read_token(const std::string& file) {
  if (file.empty()) return {};
  auto token = web::read_token(file);
  if (!token) throw std::runtime_error(token.error().message);
  return *token;
}

retrain::Rules retrain_rules(const ServeOptions& o) {
  retrain::Rules rules = o.retrain;
  (void)read_token(o.retrain_client.bearer_token_file);  // Today, and not at the first retraining.
  rules.sources.prepare = [client = o.retrain_client](net::ClientRequest& request) {
    return client.apply(request);
  };
  return rules;
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

// From SIGTERM to the end: not ready, then a pause for requests that are still on their way in,
// then until those at hand are answered.
void drain(serve::Api& api, serve::ServeMetrics& metrics, Duration timeout) {
  using Steady = std::chrono::steady_clock;
  constexpr Duration quiet = std::chrono::milliseconds(200), pause = std::chrono::seconds(1);
  api.drain();
  const auto start = Steady::now();
  for (auto busy = start; Steady::now() < start + timeout;) {
    const auto now = Steady::now();
    if (metrics.in_flight().Value() > 0) {
      busy = now;
    } else if (now - busy > quiet || now - start > pause) {
      return;
    }
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

  const retrain::Rules rules = retrain_rules(o);
  retrain::JobQueue jobs(o.jobs_file.empty() ? registry.folder() + "/jobs.json" : o.jobs_file,
                         clock, [&](const retrain::Job& job, const retrain::OnStage& on_stage) {
                           auto ending = retrain::retrain(registry, job.request, job.id, rules,
                                                          clock, on_stage);
                           refresh(live, true);
                           return ending;
                         });

  std::optional<serve::ServiceLine> line;
  if (o.service_time > Duration::zero()) line.emplace(o.concurrency, o.service_time);
  serve::Api api(registry, live, metrics, line ? &*line : nullptr);
  serve::Control control(o.retrain.gates, registry, live, jobs);
  net::Router router;
  api.add_routes(router);
  control.add_routes(router, api);
  const auto guard = web::make_guard(o.access, {.port = "predictor",
                                                .single_token_file = o.control_token_file,
                                                .reading_is_open = true,
                                                .model = [&o] { return o.name; }});
  web::GuardMetrics guards;
  guards.add(guard);
  const auto tls = web::tls_port(o.web_tls, "web", "predictor");
  net::TlsMetrics tls_metrics;
  if (tls) tls_metrics.add([tls] { return tls->figures(); });
  router.add("GET", "/metrics",
             net::metrics_page({&metrics, &jobs, &tls_metrics, &guards, &process}));
  net::HttpServer::Settings listening = o.server;
  listening.tls = tls;
  listening.guard = guard;
  net::HttpServer server(std::move(listening), std::move(router));
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
