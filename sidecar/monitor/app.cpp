// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/app.h"

#include <sched.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <utility>

#include "base/net/metrics_page.h"
#include "sidecar/monitor/admin/admin_api.h"
#include "sidecar/monitor/configuration.h"
#include "sidecar/monitor/export/exporter.h"
#include "sidecar/monitor/export/monitor_metrics.h"
#include "sidecar/monitor/housekeeping.h"
#include "sidecar/monitor/memory_limit.h"
#include "sidecar/monitor/pipeline.h"
#include "sidecar/monitor/sources/posted_pairs.h"
#include "sidecar/monitor/waiting_predictions.h"

namespace outrider::monitor {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr std::size_t batch_exchanges = 256;  // Between two looks at the signals.
constexpr Duration poll_min = 1ms;            // While traffic flows.
constexpr Duration poll_max = 50ms;           // After a while without any.

// Where both processes want one core, requests go first: the calling thread, which analyses, has a
// tenth of the proxy's weight, and its waking up interrupts nobody. Those that answer scrapes and
// labels stay as they are.
void give_way_to_requests() {
  ::setpriority(PRIO_PROCESS, 0, 10);  // On Linux, of the calling thread alone.
  const sched_param none{};
  ::sched_setscheduler(0, SCHED_BATCH, &none);
}

// The model's name as configured, where it is one. Thread-safe.
class ModelName {
 public:
  void set(std::string name) {
    const std::lock_guard hold(lock_);
    name_ = std::move(name);
  }
  std::string get() const {
    const std::lock_guard hold(lock_);
    return name_;
  }

 private:
  mutable std::mutex lock_;
  std::string name_;
};

class MonitorApp {
 public:
  MonitorApp(const MonitorOptions& options, const fs::path& folder, MonitorParts parts,
             const Clock& clock, ModelConfig config);
  int run(const net::Signals& signals);

 private:
  std::size_t poll();  // How many it took; at most a batch of each source.
  std::size_t poll_source(tap::ExchangeSource& source);
  void tell_proxy(const ModelConfig& config);
  void apply(ModelConfig config);
  void shut_down();
  AdminApi::Parts admin_parts();
  wire::Json status();

  const MonitorOptions& options_;
  MonitorParts parts_;
  const Clock& clock_;
  GuardedMonitor guarded_;
  WaitingPredictions waiting_;
  Pipeline pipeline_;
  PostedPairs posted_;
  ConfigReload reload_;
  Housekeeping house_;
  exporting::MonitorMetrics monitor_metrics_;
  net::ProcessCollector process_metrics_;
  exporting::Exporter exporter_;
  ModelName model_;
  web::GuardMetrics guards_;
  std::optional<AdminApi> admin_;
};

fs::path prepared(const std::string& data_dir) {
  std::error_code error;
  fs::create_directories(fs::path(data_dir) / "provisional", error);
  if (error) {
    spdlog::error("data.dir={}: {}; nothing is kept over a restart", data_dir, error.message());
  }
  return data_dir;
}

MonitorApp::MonitorApp(const MonitorOptions& options, const fs::path& folder, MonitorParts parts,
                       const Clock& clock, ModelConfig config)
    : options_(options),
      parts_(std::move(parts)),
      clock_(clock),
      guarded_{.lock = {}, .monitor = Monitor(config, clock.now())},
      waiting_(config, options, folder, guarded_, clock),
      pipeline_(config, guarded_, waiting_.log(), waiting_.shipper(), clock),
      posted_([this](const decode::ExchangeParts& exchange) { return pipeline_.take(exchange); },
              parts_.count_posted, clock),
      reload_(options, clock),
      house_(folder, config, guarded_, waiting_.log(), clock),
      monitor_metrics_(guarded_.monitor, guarded_.lock, clock),
      exporter_(options, folder, clock) {
  log_warnings(config);
  tell_proxy(config);
  waiting_.open();
  std::vector<wire::Collector*> collectors = parts_.collectors;
  collectors.insert(collectors.end(),
                    {&monitor_metrics_, &posted_.intake(), &pipeline_.keys(), &pipeline_.sampler(),
                     &reload_, &guards_, &process_metrics_, &waiting_.metrics()});
  exporter_.add(std::move(collectors));
  admin_.emplace(options, admin_parts());
  parts_.on_listening(admin_->port());
  exporter_.start(admin_->port());
  house_.start();
}

int MonitorApp::run(const net::Signals& signals) {
  Duration wait = poll_min;
  Time advanced = clock_.now();
  while (true) {
    const Time began = clock_.now();
    const std::size_t taken = poll();
    // Less than a batch: all that was answered before has been taken.
    if (taken < batch_exchanges) waiting_.caught_up(began);
    parts_.on_turn();
    const Time now = clock_.now();
    if (now - advanced >= 1s || now < advanced) {
      advanced = now;
      const std::lock_guard hold(guarded_.lock);
      guarded_.monitor.advance(now);
    }
    wait = taken > 0 ? poll_min : std::min(poll_max, wait + wait / 8);
    // Exchanges are let gather for a millisecond: looking for each one alone costs more than it,
    // and takes the cache line of the writer's position from the proxy each time.
    const auto signal = signals.wait_for(taken < batch_exchanges ? wait : Duration::zero());
    if (signal == net::Signal::reload) (void)reload_.reload();
    if (signal == net::Signal::terminate) break;
    if (auto config = reload_.take()) apply(std::move(*config));
  }
  shut_down();
  return 0;
}

std::size_t MonitorApp::poll() {
  std::size_t taken = posted_.poll(batch_exchanges);
  for (tap::ExchangeSource* source : parts_.sources) taken += poll_source(*source);
  return taken;
}

std::size_t MonitorApp::poll_source(tap::ExchangeSource& source) {
  std::size_t taken = 0;
  for (; taken < batch_exchanges; ++taken) {
    const tap::Exchange* exchange = source.next();
    if (!exchange) break;
    source.dispose(pipeline_.take(*exchange));
  }
  return taken;
}

void MonitorApp::tell_proxy(const ModelConfig& config) {
  parts_.publish_capture(capture_of(config));
  parts_.on_model(configured_model(config), config.info.objectives);
  model_.set(std::string(configured_model(config)));
}

void MonitorApp::apply(ModelConfig config) {
  waiting_.warn_of_changes(log_settings_of(config, options_.data_dir));
  pipeline_.configure(config);
  tell_proxy(config);
  house_.configure(config);
  const std::lock_guard hold(guarded_.lock);
  guarded_.monitor.set_settings(std::move(config));
}

void MonitorApp::shut_down() {
  const auto deadline = std::chrono::steady_clock::now() + options_.drain_timeout;
  posted_.intake().close();
  while (poll() > 0 && std::chrono::steady_clock::now() < deadline) {
  }
  posted_.give_up();
  house_.stop();
  waiting_.stop(deadline);
  exporter_.stop(std::max<Duration>(deadline - std::chrono::steady_clock::now(), 500ms));
}

AdminApi::Parts MonitorApp::admin_parts() {
  return {
      .metrics = exporter_.page(),
      .labels = [this](const net::HttpRequest& request) { return waiting_.log().handle(request); },
      .slices = [this](const net::HttpRequest& request) { return waiting_.slices(request); },
      .exchanges =
          [this](const net::HttpRequest& request) { return posted_.intake().take(request); },
      .reload = [this] { return reload_.reload(); },
      .status = [this] { return status(); },
      .proxy_ready = parts_.proxy_ready,
      .on_tls_port = parts_.on_tls_port,
      .model = [this] { return model_.get(); },
      .guards = &guards_};
}

wire::Json MonitorApp::status() {
  wire::Json status;
  {
    const std::lock_guard hold(guarded_.lock);
    status = guarded_.monitor.status(clock_.now());
  }
  status["failed_exchanges"] = pipeline_.failures().to_json();
  status["keys"] = pipeline_.keys().to_json();
  status.update(waiting_.status());
  return status;
}

}  // namespace

int check_configuration(const MonitorOptions& options) {
  const auto config = read_model_config(options);
  if (!config) throw std::runtime_error(config.error().message);
  log_warnings(*config);
  spdlog::info("the configuration is right");
  return 0;
}

int run_monitor(const MonitorOptions& options, MonitorParts parts, const net::Signals& signals,
                const Clock& clock) {
  auto config = read_model_config(options);
  if (!config) throw std::runtime_error(config.error().message);
  be_first_to_go();
  MonitorApp app(options, prepared(options.data_dir), std::move(parts), clock, std::move(*config));
  limit_growth(options.memory_bytes_max);
  give_way_to_requests();
  // All that must last is synced. CivetWeb takes two seconds to stop, in which it would answer for
  // a successor; the kernel closes port and store in one moment.
  std::_Exit(app.run(signals));
}

}  // namespace outrider::monitor
