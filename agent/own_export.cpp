// SPDX-License-Identifier: Apache-2.0
#include "agent/own_export.h"

#include <spdlog/spdlog.h>

#include <condition_variable>
#include <mutex>

namespace outrider {

OwnExport::OwnExport(const remote_write::Options& options, const std::filesystem::path& folder,
                     const Clock& clock)
    : options_(options), clock_(clock) {
  if (!options_.enabled()) return;
  sender_ = std::make_unique<remote_write::Sender>(options_, folder, clock);
}

void OwnExport::start(std::vector<wire::Collector*> collectors, std::uint16_t port) {
  if (!sender_) return;
  const std::string instance =
      options_.instance.empty() ? remote_write::default_instance(port) : options_.instance;
  own_ = std::make_unique<remote_write::SelfExport>(
      std::move(collectors), Labels{{"job", options_.job}, {"instance", instance}}, *sender_);
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void OwnExport::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  if (sender_ && !sender_->stop(options_.flush_deadline)) {
    spdlog::warn("not all was sent by remote write; the rest is queued for the next start");
  }
  sender_.reset();
}

void OwnExport::run(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any bell;
  while (!stop.stop_requested()) {
    own_->round(clock_.now());
    std::unique_lock hold(mutex);
    bell.wait_for(hold, stop, options_.interval, [] { return false; });
  }
  own_->end(clock_.now());
}

}  // namespace outrider
