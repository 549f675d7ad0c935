// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/configuration.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/config/yaml.h"
#include "sidecar/monitor/decode/message_schemas.h"

namespace outrider::monitor {

namespace {

// What request.proto names, for the top level and every entry. A relative name is from the working
// directory, as all files of the configuration are.
Result<void> read_descriptors(ModelConfig& config, const std::string& file) {
  if (config.descriptors.empty()) return {};
  const std::string where = file + ": request.proto: ";
  const auto content = config::read_file(config.descriptors);
  if (!content) return fail(content.error().code, where + content.error().message);
  const auto schemas = decode::MessageSchemas::parse(*content);
  if (!schemas)
    return fail(schemas.error().code, where + config.descriptors + ": " + schemas.error().message);
  config.rules.schemas = *schemas;
  for (auto& [model, its] : config.models) its.rules.schemas = *schemas;
  return {};
}

}  // namespace

Result<ModelConfig> read_model_config(const MonitorOptions& options) {
  ModelConfig config;
  if (!options.model_config.empty()) {
    const auto text = config::read_file(options.model_config);
    if (!text) return fail(text);
    auto parsed = parse_model_config(*text, options.model_config);
    if (!parsed) return fail(parsed);
    config = std::move(*parsed);
  }
  if (auto ok = read_descriptors(config, options.model_config); !ok) return fail(ok);
  if (!options.reference.empty()) config.reference = options.reference;
  return config;
}

decode::ModelDecoders decoders_for(const ModelConfig& config) {
  std::map<std::string, decode::Rules, std::less<>> own;
  for (const auto& [model, its] : config.models) own.emplace(model, its.rules);
  return decode::ModelDecoders(config.rules, own);
}

tap::CaptureSettings capture_of(const ModelConfig& config) {
  tap::CaptureSettings capture;
  capture.methods = config.rules.methods;
  capture.paths = config.rules.paths;
  capture.sample_rate = config.rules.sample_rate;
  capture.request_body_bytes_max = config.limits.body_bytes;
  capture.response_body_bytes_max = config.limits.body_bytes;
  return capture;
}

namespace {

truth::Sample sample_of(const ModelConfig& config) {
  truth::Sample sample{.share = config.truth.sample, .by_id = false, .by_key = false};
  const auto note = [&sample](const decode::Rules& rules) {
    (rules.key.empty() ? sample.by_id : sample.by_key) = true;
  };
  if (config.models.empty()) note(config.rules);
  for (const auto& [name, model] : config.models) note(model.rules);
  return sample;
}

}  // namespace

truth::LogSettings log_settings_of(const ModelConfig& config, const std::string& data_dir) {
  truth::LogSettings settings;
  settings.folder = std::filesystem::path(data_dir) / "log";
  settings.bytes_max = config.log.bytes_max;
  settings.keep_features = config.log.keep_features;
  settings.max_delay = config.truth.max_delay;
  settings.early_hold = config.truth.early;
  settings.sample = sample_of(config);
  settings.model_name = config.default_model();
  constexpr std::size_t versions_of_entry = 4;  // While labels of the last ones still come.
  settings.models_max = std::max(settings.models_max, versions_of_entry * config.models.size());
  return settings;
}

std::string_view configured_model(const ModelConfig& config) {
  const decode::Place& name = config.rules.model_name;
  return name.kind == decode::Place::Kind::literal ? std::string_view(name.text)
                                                   : std::string_view();
}

void log_warnings(const ModelConfig& config) {
  for (const std::string& warning : warnings(config)) {
    spdlog::warn("model configuration: {}", warning);
  }
}

ConfigReload::ConfigReload(const MonitorOptions& options, const Clock& clock)
    : options_(options),
      clock_(clock),
      successful_(
          metrics_.gauge("outrider_config_last_reload_successful",
                         "Whether the last attempt to read the model configuration succeeded.")),
      succeeded_at_(metrics_.gauge("outrider_config_last_reload_success_timestamp_seconds",
                                   "When the model configuration was last read with success.")) {
  note(true);
}

void ConfigReload::note(bool successful) {
  successful_.Set(successful ? 1 : 0);
  if (successful) succeeded_at_.Set(static_cast<double>(to_unix_ms(clock_.now())) / 1000);
}

net::HttpResponse ConfigReload::reload() {
  auto config = read_model_config(options_);
  note(config.has_value());
  if (!config) {
    spdlog::error("model configuration not reloaded: {}", config.error().message);
    return net::error_response(500, config.error().code, config.error().message);
  }
  spdlog::info("model configuration reloaded");
  log_warnings(*config);
  const std::lock_guard hold(lock_);
  read_ = std::move(*config);
  has_read_ = true;
  return net::text_response(200, "");
}

std::optional<ModelConfig> ConfigReload::take() {
  if (!has_read_) return std::nullopt;
  const std::lock_guard hold(lock_);
  has_read_ = false;
  return std::exchange(read_, std::nullopt);
}

}  // namespace outrider::monitor
