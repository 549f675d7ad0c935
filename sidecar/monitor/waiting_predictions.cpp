// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/waiting_predictions.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

#include "sidecar/monitor/configuration.h"
#include "sidecar/monitor/shipping/shipper.h"
#include "sidecar/monitor/shipping/topic_shipper.h"

namespace outrider::monitor {

using namespace std::chrono_literals;

WaitingPredictions::WaitingPredictions(const ModelConfig& config, const MonitorOptions& options,
                                       const std::filesystem::path& folder, GuardedMonitor& guarded,
                                       const Clock& clock)
    : shipping_folder_(folder / "shipping"),
      guarded_(guarded),
      clock_(clock),
      consumer_(guarded),
      log_(log_settings_of(config, options.data_dir), consumer_, clock),
      shipper_(make_shipper(options)),
      log_metrics_(log_, guarded),
      slices_(
          config.log.keep_features, [this] { return log_.get(); },
          [this](const std::string& model, const std::string& version) {
            const std::lock_guard hold(guarded_.lock);
            return slice_subject(guarded_.monitor, model, version);
          },
          clock) {}

std::unique_ptr<Shipping> WaitingPredictions::make_shipper(const MonitorOptions& options) const {
  if (!options.shipping.enabled()) return nullptr;
  const auto rule_of = [this](std::string_view model, std::string_view version) {
    const std::lock_guard hold(guarded_.lock);
    return guarded_.monitor.judge_rule(model, version);
  };
  if (options.shipping.kafka.enabled()) {
    return std::make_unique<TopicShipper>(options.shipping, log_.settings().sample,
                                          shipping_folder_, rule_of, clock_);
  }
  return std::make_unique<Shipper>(options.shipping, log_.settings().sample, shipping_folder_,
                                   rule_of, clock_);
}

void WaitingPredictions::open() {
  if (!shipper_) return log_.open_after_predecessor();
  log_.stay_closed([this](const net::HttpRequest& request) { return shipper_->relay(request); },
                   [this](const net::HttpRequest& request) { return shipper_->erase(request); });
}

void WaitingPredictions::warn_of_changes(const truth::LogSettings& wanted) const {
  const truth::LogSettings& kept = log_.settings();
  if (wanted.bytes_max != kept.bytes_max || wanted.keep_features != kept.keep_features ||
      wanted.max_delay != kept.max_delay || wanted.early_hold != kept.early_hold ||
      wanted.sample != kept.sample) {
    spdlog::warn(
        "log.*, truth.max_delay, truth.early and truth.sample hold from the next start on; the "
        "rest "
        "holds now");
  }
}

wire::Collector& WaitingPredictions::metrics() {
  return shipper_ ? static_cast<wire::Collector&>(*shipper_) : log_metrics_;
}

wire::Json WaitingPredictions::status() const {
  wire::Json status;
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

net::HttpResponse WaitingPredictions::slices(const net::HttpRequest& request) {
  net::HttpResponse answer = slices_.handle(request);
  if (answer.status != 200) return answer;
  return truth::journalled(&log_.journal(), request, "slices", {{"query", request.query}},
                           std::move(answer));
}

void WaitingPredictions::caught_up(Time now) {
  if (shipper_) shipper_->caught_up(now);
}

void WaitingPredictions::stop(std::chrono::steady_clock::time_point deadline) {
  const auto left = [&](Duration least) {
    return std::max<Duration>(deadline - std::chrono::steady_clock::now(), least);
  };
  if (shipper_) {
    shipper_->caught_up(clock_.now());
    if (!shipper_->stop(left(500ms))) {
      spdlog::warn("not all predictions were shipped; what waits goes with this folder: {}",
                   shipping_folder_.string());
    }
  }
  truth::PredictionLog* log = log_.get();
  if (log && !log->flush(left(100ms))) spdlog::warn("the prediction log was not flushed in time");
}

}  // namespace outrider::monitor
