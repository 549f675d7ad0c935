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
#include "sidecar/monitor/slices/slices_api.h"
#include "sidecar/monitor/sources/event_exchange.h"
#include "sidecar/monitor/sources/posted_exchanges.h"
#include "sidecar/monitor/truth_parts.h"

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

class MonitorApp {
 public:
  MonitorApp(const MonitorOptions& options, MonitorParts parts, const Clock& clock,
             ModelConfig config);
  int run(const net::Signals& signals);

 private:
  std::size_t poll();  // How many it took; at most a batch of each source.
  std::size_t poll_source(tap::ExchangeSource& source);
  std::size_t poll_posted();
  tap::Disposal take_pair(const decode::EventPairs::Pair& pair);
  void tell_proxy(const ModelConfig& config);
  void apply(ModelConfig config);
  void shut_down();
  std::unique_ptr<Shipper> make_shipper();
  AdminApi::Parts admin_parts();
  wire::Json status();

  const MonitorOptions& options_;
  MonitorParts parts_;
  const Clock& clock_;
  const fs::path folder_;

  GuardedMonitor guarded_;
  LockedConsumer consumer_;
  LogHolder log_;
  std::unique_ptr<Shipper> shipper_;  // Null: predictions wait here for their labels.
  SlicesApi slices_;
  Pipeline pipeline_;
  PostedExchanges posted_;
  decode::EventPairs pairs_;
  ConfigReload reload_;
  Housekeeping house_;
  LogMetrics log_metrics_;
  exporting::MonitorMetrics monitor_metrics_;
  net::ProcessCollector process_metrics_;
  exporting::Exporter exporter_;
  std::mutex model_lock_;
  std::string model_;  // As configured, where it is one.
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

MonitorApp::MonitorApp(const MonitorOptions& options, MonitorParts parts, const Clock& clock,
                       ModelConfig config)
    : options_(options),
      parts_(std::move(parts)),
      clock_(clock),
      folder_(prepared(options.data_dir)),
      guarded_{.lock = {}, .monitor = Monitor(config, clock.now())},
      consumer_(guarded_),
      log_(log_settings_of(config, options.data_dir), consumer_, clock),
      shipper_(make_shipper()),
      slices_(
          config.log.keep_features, [this] { return log_.get(); },
          [this](const std::string& model, const std::string& version) {
            const std::lock_guard hold(guarded_.lock);
            return slice_subject(guarded_.monitor, model, version);
          },
          clock),
      pipeline_(config, guarded_, log_, shipper_.get(), clock),
      reload_(options, clock),
      house_(folder_, config, guarded_, log_, clock),
      log_metrics_(log_, guarded_),
      monitor_metrics_(guarded_.monitor, guarded_.lock, clock),
      exporter_(options, folder_, clock) {
  log_warnings(config);
  tell_proxy(config);
  if (shipper_) {
    log_.stay_closed([this](const net::HttpRequest& request) { return shipper_->relay(request); });
  } else {
    log_.open_after_predecessor();
  }
  std::vector<wire::Collector*> collectors = parts_.collectors;
  collectors.insert(collectors.end(), {&monitor_metrics_, &posted_, &pipeline_.keys(), &reload_,
                                       &guards_, &process_metrics_});
  collectors.push_back(shipper_ ? static_cast<wire::Collector*>(shipper_.get()) : &log_metrics_);
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
    if (shipper_ && taken < batch_exchanges) shipper_->caught_up(began);
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
  std::size_t taken = poll_posted();
  for (tap::ExchangeSource* source : parts_.sources) taken += poll_source(*source);
  return taken;
}

std::size_t MonitorApp::poll_posted() {
  auto events = posted_.pop(batch_exchanges);
  for (auto& event : events) {
    if (const auto pair = pairs_.add(std::move(event), clock_.now())) {
      parts_.count_posted(take_pair(*pair));
    }
  }
  for (std::size_t given_up = pairs_.take_given_up(clock_.now()); given_up > 0; --given_up) {
    parts_.count_posted(tap::Disposal::failed(tap::FailReason::incomplete));
  }
  posted_.note_pairs(pairs_.waiting(), pairs_.duplicates());
  return events.size();
}

tap::Disposal MonitorApp::take_pair(const decode::EventPairs::Pair& pair) {
  if (!EventExchange::is_prediction(pair)) {
    return tap::Disposal::skipped(tap::SkipReason::not_matched);
  }
  return pipeline_.take(EventExchange(pair, clock_.now()).parts());
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

std::unique_ptr<Shipper> MonitorApp::make_shipper() {
  if (!options_.shipping.enabled()) return nullptr;
  const auto rule_of = [this](std::string_view model, std::string_view version) {
    const std::lock_guard hold(guarded_.lock);
    return guarded_.monitor.judge_rule(model, version);
  };
  return std::make_unique<Shipper>(options_.shipping, folder_ / "shipping", rule_of, clock_);
}

void MonitorApp::tell_proxy(const ModelConfig& config) {
  parts_.publish_capture(capture_of(config));
  parts_.on_model(configured_model(config), config.info.objectives);
  const std::lock_guard hold(model_lock_);
  model_ = configured_model(config);
}

void MonitorApp::apply(ModelConfig config) {
  const truth::LogSettings wanted = log_settings_of(config, options_.data_dir);
  const truth::LogSettings& kept = log_.settings();
  if (wanted.bytes_max != kept.bytes_max || wanted.keep_features != kept.keep_features ||
      wanted.max_delay != kept.max_delay || wanted.early_hold != kept.early_hold) {
    spdlog::warn(
        "log.*, truth.max_delay and truth.early hold from the next start on; the rest holds now");
  }
  pipeline_.configure(config);
  tell_proxy(config);
  house_.configure(config);
  const std::lock_guard hold(guarded_.lock);
  guarded_.monitor.set_settings(std::move(config));
}

void MonitorApp::shut_down() {
  const auto deadline = std::chrono::steady_clock::now() + options_.drain_timeout;
  posted_.close();
  while (poll() > 0 && std::chrono::steady_clock::now() < deadline) {
  }
  std::size_t given_up = 0;  // What there was no time for, and halves.
  for (auto& event : posted_.pop(SIZE_MAX)) {
    if (pairs_.add(std::move(event), clock_.now())) ++given_up;
  }
  for (given_up += pairs_.clear(); given_up > 0; --given_up) {
    parts_.count_posted(tap::Disposal::failed(tap::FailReason::incomplete));
  }
  house_.stop();
  const auto left = [&](Duration least) {
    return std::max<Duration>(deadline - std::chrono::steady_clock::now(), least);
  };
  if (shipper_) {
    shipper_->caught_up(clock_.now());
    if (!shipper_->stop(left(500ms))) {
      spdlog::warn("not all predictions were shipped; what waits goes with this folder: {}",
                   (folder_ / "shipping").string());
    }
  }
  truth::PredictionLog* log = log_.get();
  if (log && !log->flush(left(100ms))) spdlog::warn("the prediction log was not flushed in time");
  exporter_.stop(left(500ms));
}

AdminApi::Parts MonitorApp::admin_parts() {
  return {.metrics = exporter_.page(),
          .labels = [this](const net::HttpRequest& request) { return log_.handle(request); },
          .slices = [this](const net::HttpRequest& request) { return slices_.handle(request); },
          .exchanges = [this](const net::HttpRequest& request) { return posted_.take(request); },
          .reload = [this] { return reload_.reload(); },
          .status = [this] { return status(); },
          .proxy_ready = parts_.proxy_ready,
          .on_tls_port = parts_.on_tls_port,
          .model =
              [this] {
                const std::lock_guard hold(model_lock_);
                return model_;
              },
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
  if (shipper_) {
    status["shipping"] = shipper_->status();
  } else if (const truth::PredictionLog* log = log_.get()) {
    const auto figures = log->figures();
    status["log"] = {{"available", figures.available},
                     {"pending", figures.pending},
                     {"disk_bytes", figures.disk_bytes},
                     {"early_held", figures.early_held}};
  } else {
    status["log"] = {{"available", false}};
  }
  return status;
}

}  // namespace

int run_monitor(const MonitorOptions& options, MonitorParts parts, const net::Signals& signals,
                const Clock& clock) {
  auto config = read_model_config(options);
  if (!config) throw std::runtime_error(config.error().message);
  be_first_to_go();
  MonitorApp app(options, std::move(parts), clock, std::move(*config));
  limit_growth(options.memory_bytes_max);
  give_way_to_requests();
  // All that must last is synced. CivetWeb takes two seconds to stop, in which it would answer for
  // a successor; the kernel closes port and store in one moment.
  std::_Exit(app.run(signals));
}

}  // namespace outrider::monitor
