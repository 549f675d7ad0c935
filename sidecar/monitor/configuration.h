// SPDX-License-Identifier: Apache-2.0
#pragma once

// The model configuration as the monitor process reads it, at its start and again when it is told
// to. SHELL.

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>

#include "base/core/result.h"
#include "base/net/http_server.h"
#include "base/wire/registry.h"
#include "sidecar/monitor/decode/model_decoders.h"
#include "sidecar/monitor/versions/model_config.h"
#include "sidecar/options/monitor_options.h"
#include "sidecar/tap/capture_settings.h"
#include "truth/log/prediction_log.h"

namespace outrider::monitor {

// Of --model.config and --reference. Errors: "cannot_read", those of parse_model_config().
Result<ModelConfig> read_model_config(const MonitorOptions& options);

// What each part of the monitor takes of it.
decode::ModelDecoders decoders_for(const ModelConfig& config);
tap::CaptureSettings capture_of(const ModelConfig& config);
truth::LogSettings log_settings_of(const ModelConfig& config, const std::string& data_dir);
std::string_view configured_model(const ModelConfig& config);  // "": none is configured.

void log_warnings(const ModelConfig& config);

// Reads the configuration again when asked to; the polling thread takes it. A bad file is refused,
// logged and told by outrider_config_last_reload_successful, and the old configuration holds.
// Thread-safe.
class ConfigReload final : public wire::Collector {
 public:
  ConfigReload(const MonitorOptions& options, const Clock& clock);

  net::HttpResponse reload();  // The answer to POST /-/reload.
  std::optional<ModelConfig>
  take();  // Read and found good since the last call. O(1) while there is none.
  void collect(wire::MetricSink& sink) override { metrics_.collect(sink); }

 private:
  void note(bool successful);

  const MonitorOptions& options_;
  const Clock& clock_;
  std::mutex lock_;
  std::optional<ModelConfig> read_;
  std::atomic<bool> has_read_{false};
  wire::Registry metrics_;
  prometheus::Gauge &successful_, &succeeded_at_;
};

}  // namespace outrider::monitor
