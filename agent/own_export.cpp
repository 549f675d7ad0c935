// SPDX-License-Identifier: Apache-2.0
#include "agent/own_export.h"

#include <condition_variable>
#include <mutex>

namespace outrider {
namespace {

Labels target_labels(const remote_write::Options& options, std::uint16_t port) {
  return {{"job", options.job},
          {"instance",
           options.instance.empty() ? remote_write::default_instance(port) : options.instance}};
}

}  // namespace

OwnExport::OwnExport(const remote_write::Options& options, std::vector<wire::Collector*> collectors,
                     std::uint16_t port, remote_write::Sender& sender, const Clock& clock)
    : interval_(options.interval),
      clock_(clock),
      own_(std::move(collectors), target_labels(options, port), sender),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

void OwnExport::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void OwnExport::run(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any bell;
  while (!stop.stop_requested()) {
    own_.round(clock_.now());
    std::unique_lock hold(mutex);
    bell.wait_for(hold, stop, interval_, [] { return false; });
  }
  own_.end(clock_.now());
}

}  // namespace outrider
