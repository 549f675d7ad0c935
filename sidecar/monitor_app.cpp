// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor_app.h"

#include <sched.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

#include "base/config/files.h"
#include "base/config/yaml.h"
#include "base/core/text.h"
#include "base/net/http_server.h"
#include "base/net/metrics_page.h"
#include "base/remote_write/self_export.h"
#include "base/remote_write/sender.h"
#include "reference/reference_json.h"
#include "sidecar/decode/model_decoders.h"
#include "sidecar/export/export_loop.h"
#include "sidecar/export/monitor_metrics.h"
#include "sidecar/export/scraper.h"
#include "sidecar/failure_notes.h"
#include "sidecar/input_state_file.h"
#include "sidecar/key_notes.h"
#include "sidecar/labels/label_api.h"
#include "sidecar/labels/prediction_log.h"
#include "sidecar/memory_limit.h"
#include "sidecar/monitor/monitor.h"
#include "sidecar/posted_exchanges.h"
#include "sidecar/reference_set.h"
#include "sidecar/web_config.h"

namespace outrider {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr std::size_t batch_exchanges = 256;  // Between two looks at the signals.
constexpr Duration poll_min = 1ms;            // While traffic flows.
constexpr Duration poll_max = 50ms;           // After a while without any.
constexpr Duration references_every = 5s;
constexpr Duration states_every = 60s;
constexpr Duration log_retry_every = 1s;
constexpr Duration log_lock_wait = 3s;
constexpr Duration log_lock_every = 50ms;

Result<monitor::Settings> read_settings(const MonitorOptions& options) {
  monitor::Settings settings;
  if (!options.model_config.empty()) {
    const auto text = config::read_file(options.model_config);
    if (!text) return fail(text);
    auto parsed = monitor::parse_settings(*text, options.model_config);
    if (!parsed) return fail(parsed);
    settings = std::move(*parsed);
  }
  if (!options.reference.empty()) settings.reference = options.reference;
  return settings;
}

std::string_view configured_model(const monitor::Settings& settings) {
  const decode::Place& name = settings.rules.model_name;
  return name.kind == decode::Place::Kind::literal ? std::string_view(name.text)
                                                   : std::string_view();
}

decode::ModelDecoders decoders_for(const monitor::Settings& settings) {
  std::map<std::string, decode::Rules, std::less<>> own;
  for (const auto& [model, its] : settings.models) own.emplace(model, its.rules);
  return decode::ModelDecoders(settings.rules, own);
}

void warn_of(const monitor::Settings& settings) {
  for (const std::string& warning : monitor::warnings(settings)) {
    spdlog::warn("model configuration: {}", warning);
  }
}

tap::CaptureSettings capture_of(const monitor::Settings& settings) {
  tap::CaptureSettings capture;
  capture.methods = settings.rules.methods;
  capture.paths = settings.rules.paths;
  capture.sample_rate = settings.rules.sample_rate;
  capture.request_body_bytes_max = settings.limits.body_bytes;
  capture.response_body_bytes_max = settings.limits.body_bytes;
  return capture;
}

// The consumer that the log knows: the monitor, under its lock. Between two calls a scrape may come; it
// sees no half group, since counters advance with committed() alone.
class LockedConsumer final : public labels::TruthConsumer {
 public:
  LockedConsumer(monitor::Monitor& monitor, std::mutex& lock) : monitor_(monitor), lock_(lock) {}
  void restore(std::span<const labels::StateBlob> blobs) override {
    const std::lock_guard hold(lock_);
    monitor_.restore(blobs);
  }
  void on_joined(const labels::JoinedRow& row) override {
    const std::lock_guard hold(lock_);
    monitor_.on_joined(row);
  }
  void changed_state(labels::StateWriter& out) override {
    const std::lock_guard hold(lock_);
    monitor_.changed_state(out);
  }
  void committed() override {
    const std::lock_guard hold(lock_);
    monitor_.committed();
  }

 private:
  monitor::Monitor& monitor_;
  std::mutex& lock_;
};

// The prediction log once it could be opened, and the label routes either way.
class LogHolder {
 public:
  explicit LogHolder(std::string reason) { set_unavailable(std::move(reason)); }

  void set(std::unique_ptr<labels::PredictionLog> log) {
    auto router = std::make_shared<net::Router>();
    labels::add_label_routes(*router, *log);
    const std::lock_guard hold(lock_);
    log_ = std::move(log);
    router_ = std::move(router);
    current_ = log_.get();
  }
  void set_unavailable(std::string reason) {
    auto router = std::make_shared<net::Router>();
    labels::add_unavailable_label_routes(*router, std::move(reason));
    const std::lock_guard hold(lock_);
    router_ = std::move(router);
  }
  net::HttpResponse handle(const net::HttpRequest& request) {
    std::shared_ptr<net::Router> router;
    {
      const std::lock_guard hold(lock_);
      router = router_;
    }
    return router->handle(request);
  }
  // Null until it could be opened; then valid as long as the holder.
  labels::PredictionLog* get() const { return current_; }

 private:
  std::mutex lock_;
  std::unique_ptr<labels::PredictionLog> log_;
  std::shared_ptr<net::Router> router_;
  std::atomic<labels::PredictionLog*> current_{nullptr};
};

// The log's metrics, once there is one: labels' counters of every version that the monitor knows.
class LogMetrics final : public wire::Collector {
 public:
  LogMetrics(const LogHolder& holder, const monitor::Monitor& monitor, std::mutex& lock)
      : holder_(holder), monitor_(monitor), lock_(lock) {}
  void collect(wire::MetricSink& sink) override {
    labels::PredictionLog* log = holder_.get();
    if (log) {
      const std::lock_guard hold(lock_);
      for (const auto& version : monitor_.versions())
        log->announce(version->name().model, version->name().version);
    }
    sink.family({"outrider_log_up", wire::MetricType::gauge,
                 "1 while the prediction log is open and takes predictions and labels."});
    sink.value(wire::SeriesKey(), log && log->figures().available ? 1 : 0);
    if (log) log->collector().collect(sink);
  }

 private:
  const LogHolder& holder_;
  const monitor::Monitor& monitor_;
  std::mutex& lock_;
};

class ReloadMetrics final : public wire::Collector {
 public:
  void note(bool successful, Time now) {
    successful_ = successful;
    if (successful) at_ms_ = to_unix_ms(now);
  }
  void collect(wire::MetricSink& sink) override {
    sink.family({"outrider_config_last_reload_successful", wire::MetricType::gauge,
                 "Whether the last attempt to read the model configuration succeeded."});
    sink.value(wire::SeriesKey(), successful_ ? 1 : 0);
    sink.family({"outrider_config_last_reload_success_timestamp_seconds", wire::MetricType::gauge,
                 "When the model configuration was last read with success."});
    sink.value(wire::SeriesKey(), static_cast<double>(at_ms_) / 1000);
  }

 private:
  std::atomic<bool> successful_{true};
  std::atomic<std::int64_t> at_ms_{0};
};

// Where both processes want one core, requests go first: the calling thread, which analyses, has a tenth of
// the proxy's weight, and its waking up interrupts nobody. Those that answer scrapes and labels stay as they are.
void give_way_to_requests() {
  ::setpriority(PRIO_PROCESS, 0, 10);  // On Linux, of the calling thread alone.
  const sched_param none{};
  ::sched_setscheduler(0, SCHED_BATCH, &none);
}

class MonitorApp {
 public:
  MonitorApp(const MonitorOptions& options, MonitorParts parts, const Clock& clock,
             monitor::Settings settings);
  ~MonitorApp();
  int run(const net::Signals& signals);

 private:
  // The polling thread.
  std::size_t poll();  // How many it took; at most a batch of each source.
  std::size_t poll_source(tap::ExchangeSource& source);
  std::size_t poll_posted();
  tap::Disposal analyse_pair(const decode::EventPairs::Pair& pair);
  tap::Disposal note(const decode::Decoder::Outcome& outcome);
  tap::Disposal analyse(const tap::Exchange& exchange);
  void append(const decode::Observation& observation);
  void take_new_settings();
  void shut_down();

  // The housekeeping thread.
  void keep_house(const std::stop_token& stop);
  void open_log_after_predecessor();
  bool open_log();  // At the start, then on the housekeeping thread.
  void refresh_references();
  void build_provisional();
  void save_inputs();
  void restore_inputs();

  // HTTP.
  void start_servers();
  net::Router admin_routes();
  std::vector<wire::Collector*> own_collectors();
  net::Handler metrics_handler();

  // Scrapes, remote write.
  void open_export();
  void start_export();
  void stop_export(Duration limit);
  void add_log_routes(net::Router& router);
  net::HttpResponse reload();

  const MonitorOptions& options_;
  MonitorParts parts_;
  const Clock& clock_;
  const fs::path folder_;

  std::mutex lock_;  // Guards monitor_.
  monitor::Monitor monitor_;
  LockedConsumer consumer_;
  LogHolder log_{"the prediction log is being opened; try again in a moment"};
  labels::LogSettings log_settings_;
  decode::ModelDecoders decoders_;
  FailureNotes failures_;
  KeyNotes keys_;
  std::vector<labels::RowView> row_views_;
  std::vector<labels::FeatureValueView> feature_views_;
  std::vector<std::string_view> name_views_;
  PostedExchanges posted_;
  decode::EventPairs pairs_;

  std::mutex reload_lock_;
  std::optional<monitor::Settings>
      new_settings_;  // Read and found good; the polling thread takes it.
  std::atomic<bool> has_new_settings_{false};

  std::mutex house_lock_;
  std::condition_variable_any house_bell_;
  bool house_called_ = false;
  std::optional<monitor::Settings> new_places_;  // Of references; under house_lock_.
  ReferenceSet references_;
  std::uint64_t refusals_told_ = 0;

  ReloadMetrics reload_metrics_;
  LogMetrics log_metrics_;
  exporting::MonitorMetrics monitor_metrics_;
  net::ProcessCollector process_metrics_;
  std::unique_ptr<net::HttpServer> admin_, labels_server_;
  std::unique_ptr<exporting::Scraper> scraper_;
  std::unique_ptr<remote_write::Sender> sender_;
  std::unique_ptr<remote_write::SelfExport> self_export_;
  std::unique_ptr<exporting::ExportLoop> export_loop_;
  std::string_view log_trouble_;  // The error's word when the log could not be opened last.
  std::jthread house_;
};

MonitorApp::MonitorApp(const MonitorOptions& options, MonitorParts parts, const Clock& clock,
                       monitor::Settings settings)
    : options_(options),
      parts_(std::move(parts)),
      clock_(clock),
      folder_(options.data_dir),
      monitor_(settings, clock.now()),
      consumer_(monitor_, lock_),
      decoders_(decoders_for(settings)),
      new_places_(settings),
      references_(folder_ / "provisional"),
      log_metrics_(log_, monitor_, lock_),
      monitor_metrics_(monitor_, lock_, clock) {
  log_settings_.folder = folder_ / "log";
  log_settings_.bytes_max = settings.log.bytes_max;
  log_settings_.keep_features = settings.log.keep_features;
  log_settings_.max_delay = settings.truth.max_delay;
  log_settings_.early_hold = settings.truth.early;
  log_settings_.model_name = settings.default_model();
  constexpr std::size_t versions_of_entry = 4;  // While labels of the last ones still come.
  log_settings_.models_max =
      std::max(log_settings_.models_max, versions_of_entry * settings.models.size());
  std::error_code error;
  fs::create_directories(folder_ / "provisional", error);
  if (error) {
    spdlog::error("data.dir={}: {}; nothing is kept over a restart", options.data_dir,
                  error.message());
  }
  warn_of(settings);
  parts_.publish_capture(capture_of(settings));
  parts_.on_model(configured_model(settings), settings.info.objectives);
  reload_metrics_.note(true, clock.now());
  restore_inputs();
  refresh_references();
  open_log_after_predecessor();
  open_export();
  start_servers();
  start_export();
  house_ = std::jthread([this](const std::stop_token& stop) { keep_house(stop); });
}

MonitorApp::~MonitorApp() {
  if (admin_) admin_->stop();
  if (labels_server_) labels_server_->stop();
}

// ---- The polling thread ----

int MonitorApp::run(const net::Signals& signals) {
  Duration wait = poll_min;
  Time advanced = clock_.now();
  while (true) {
    const std::size_t taken = poll();
    parts_.on_turn();
    const Time now = clock_.now();
    if (now - advanced >= 1s || now < advanced) {
      advanced = now;
      const std::lock_guard hold(lock_);
      monitor_.advance(now);
    }
    wait = taken > 0 ? poll_min : std::min(poll_max, wait + wait / 8);
    // Exchanges are let gather for a millisecond: looking for each one alone costs more than it, and
    // takes the cache line of the writer's position from the proxy each time.
    const auto signal = signals.wait_for(taken < batch_exchanges ? wait : Duration::zero());
    if (signal == net::Signal::reload) (void)reload();
    if (signal == net::Signal::terminate) break;
    if (has_new_settings_) take_new_settings();
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
      parts_.count_posted(analyse_pair(*pair));
    }
  }
  for (std::size_t given_up = pairs_.take_given_up(clock_.now()); given_up > 0; --given_up) {
    parts_.count_posted(tap::Disposal::failed(tap::FailReason::incomplete));
  }
  posted_.note_pairs(pairs_.waiting(), pairs_.duplicates());
  return events.size();
}

// The id is made of the event's, so that an event that is sent again gives the same prediction.
tap::Disposal MonitorApp::analyse_pair(const decode::EventPairs::Pair& pair) {
  // KServe's logger tells no path: metadata is asked for without a body, explanations by their component.
  if (pair.request.data.empty() || pair.request.component == "explainer") {
    return tap::Disposal::skipped(tap::SkipReason::not_matched);
  }
  const Time time = pair.request.time.value_or(clock_.now());
  const std::string key = pair.request.key();
  const std::uint64_t high = std::hash<std::string>()(key);
  const std::uint64_t low = std::hash<std::string>()(key + "/");
  const std::string id = labels::format_uuid(labels::make_uuid7(time, high, low));
  const std::string_view alias = pair.request.id;
  decode::ExchangeParts parts;
  parts.id = id;
  parts.started = time;
  parts.status = pair.response.status;
  parts.method = "POST";
  const decode::BodyNature request = decode::nature_of(pair.request.data, pair.request.data_type);
  const decode::BodyNature response =
      decode::nature_of(pair.response.data, pair.response.data_type);
  parts.request_type = request.type;
  parts.request_coding = request.coding;
  parts.request_json_bytes = request.json_bytes;
  parts.response_type = response.type;
  parts.response_coding = response.coding;
  parts.response_json_bytes = response.json_bytes;
  parts.model_name =
      pair.request.model_name.empty() ? pair.response.model_name : pair.request.model_name;
  parts.aliases = {&alias, 1};
  parts.sampling_key = alias;
  parts.request_body = pair.request.data;
  parts.response_body = pair.response.data;
  parts.exchange_is_prediction = true;
  return note(decoders_.decode(parts));
}

std::size_t MonitorApp::poll_source(tap::ExchangeSource& source) {
  std::size_t taken = 0;
  for (; taken < batch_exchanges; ++taken) {
    const tap::Exchange* exchange = source.next();
    if (!exchange) break;
    source.dispose(analyse(*exchange));
  }
  return taken;
}

tap::Disposal MonitorApp::analyse(const tap::Exchange& exchange) {
  return note(decoders_.decode(exchange));
}

tap::Disposal MonitorApp::note(const decode::Decoder::Outcome& observation) {
  if (!observation) {
    const tap::Disposal& disposal = observation.error();
    if (disposal.kind == tap::Disposal::Kind::failed &&
        failures_.note(disposal.fail_reason, decoders_.words(), clock_.now())) {
      spdlog::warn("an exchange could not be analysed: {}{}{}", to_string(disposal.fail_reason),
                   decoders_.words().empty() ? "" : ": ", decoders_.words());
    }
    return disposal;
  }
  {
    const std::lock_guard hold(lock_);
    monitor_.observe(*observation, clock_.now());
  }
  if (keys_.note(*observation, clock_.now())) {
    spdlog::warn("predictions without a key: {}", observation->key_words);
  }
  if (!observation->model_failed) append(*observation);
  return tap::Disposal::analysed();
}

labels::ValueView value_view(const decode::FeatureValue& value) {
  if (value.kind == decode::ValueKind::number) return value.number;
  return value.text;
}

labels::FeatureValueView feature_view(const decode::FeatureValue& value) {
  if (value.kind == decode::ValueKind::missing) return std::monostate();
  if (value.kind == decode::ValueKind::number) return value.number;
  return value.text;
}

void MonitorApp::append(const decode::Observation& observation) {
  labels::PredictionLog* log = log_.get();
  if (!log) return;
  row_views_.clear();
  feature_views_.clear();
  name_views_.clear();
  const bool features = log_settings_.keep_features && observation.names;
  if (features) {
    name_views_.assign(observation.names->names.begin(), observation.names->names.end());
    feature_views_.reserve(observation.rows.size() * name_views_.size());
  }
  for (const decode::Row& row : observation.rows) {
    labels::RowView view{.prediction = value_view(row.prediction.value), .segment = row.segment};
    view.failed = row.failed;
    view.key = row.key;
    if (row.prediction.score == row.prediction.score) view.score = row.prediction.score;
    if (features) {
      const std::size_t first = feature_views_.size();
      for (const auto& value : row.features) feature_views_.push_back(feature_view(value));
      view.features = std::span(feature_views_).subspan(first);
    }
    row_views_.push_back(view);
  }
  log->append({.id = observation.id,
               .time = observation.time,
               .model_name = observation.model_name,
               .model_version = observation.model_version,
               .aliases = observation.aliases,
               .key = observation.key,
               .feature_names = name_views_,
               .rows = row_views_});
}

void MonitorApp::take_new_settings() {
  std::optional<monitor::Settings> settings;
  {
    const std::lock_guard hold(reload_lock_);
    settings = std::exchange(new_settings_, std::nullopt);
    has_new_settings_ = false;
  }
  if (!settings) return;
  if (settings->log.bytes_max != log_settings_.bytes_max ||
      settings->log.keep_features != log_settings_.keep_features ||
      settings->truth.max_delay != log_settings_.max_delay ||
      settings->truth.early != log_settings_.early_hold) {
    spdlog::warn(
        "log.*, truth.max_delay and truth.early hold from the next start on; the rest holds now");
  }
  decoders_ = decoders_for(*settings);
  parts_.publish_capture(capture_of(*settings));
  parts_.on_model(configured_model(*settings), settings->info.objectives);
  auto places = *settings;
  {
    const std::lock_guard hold(lock_);
    monitor_.set_settings(std::move(*settings));
  }
  {
    const std::lock_guard hold(house_lock_);
    new_places_ = std::move(places);
    house_called_ = true;
  }
  house_bell_.notify_all();
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
  house_.request_stop();
  house_bell_.notify_all();
  house_.join();
  save_inputs();
  const Duration left = std::max<Duration>(deadline - std::chrono::steady_clock::now(), 100ms);
  labels::PredictionLog* log = log_.get();
  if (log && !log->flush(left)) spdlog::warn("the prediction log was not flushed in time");
  stop_export(std::max<Duration>(deadline - std::chrono::steady_clock::now(), 500ms));
}

// ---- The housekeeping thread ----

void MonitorApp::keep_house(const std::stop_token& stop) {
  auto saved = std::chrono::steady_clock::now();
  auto tried = saved, looked = saved;
  while (!stop.stop_requested()) {
    bool called = false;
    {
      std::unique_lock hold(house_lock_);
      house_bell_.wait_for(hold, stop, 1s, [this] { return house_called_; });
      called = std::exchange(house_called_, false);
    }
    if (stop.stop_requested()) break;
    const auto now = std::chrono::steady_clock::now();
    bool new_version = false;
    {
      const std::lock_guard hold(lock_);
      new_version = monitor_.take_wants_references();
    }
    if (new_version || called || now - looked >= references_every) {
      looked = now;
      refresh_references();
    }
    build_provisional();
    if (!log_.get() && now - tried >= log_retry_every) {
      tried = now;
      open_log();
    }
    if (now - saved >= states_every) {
      saved = now;
      save_inputs();
    }
  }
}

// The predecessor of a proxy that was killed may still be flushing; its predictions wait in our ring.
void MonitorApp::open_log_after_predecessor() {
  const auto deadline = std::chrono::steady_clock::now() + log_lock_wait;
  while (!open_log() && std::chrono::steady_clock::now() < deadline) {
    if (log_trouble_ != "log_locked") return;
    std::this_thread::sleep_for(log_lock_every);
  }
}

bool MonitorApp::open_log() {
  auto log = labels::PredictionLog::open(log_settings_, consumer_, clock_);
  if (log) {
    log_.set(std::move(*log));
    log_trouble_ = "";
    return true;
  }
  if (log_trouble_ != log.error().code) spdlog::error("prediction log: {}", log.error().message);
  log_trouble_ = log.error().code;
  log_.set_unavailable(log.error().message);
  return false;
}

void MonitorApp::refresh_references() {
  {
    const std::lock_guard hold(house_lock_);
    if (new_places_) references_.move_to(*new_places_);
    new_places_.reset();
  }
  const auto changed = references_.refresh();
  for (const std::string& problem : references_.problems()) {
    spdlog::warn("reference: {}", problem);
  }
  if (!changed.any()) return;
  auto all = references_.references();
  const std::lock_guard hold(lock_);
  for (const auto& reference : all) {
    if (!changed.trained || !reference->statistics || reference->statistics->provisional) continue;
    const monitor::VersionName subject = monitor_.subject_of(*reference);
    if (subject.version != "unknown") continue;
    spdlog::warn(
        "a reference of {} names no model version and judges only predictions without one: name it "
        "with profile --model.version, or write the version into the model configuration",
        subject.model);
  }
  monitor_.set_references(std::move(all), clock_.now());
}

void MonitorApp::build_provisional() {
  std::vector<monitor::Monitor::Learned> learned;
  {
    const std::lock_guard hold(lock_);
    learned = monitor_.take_learned();
  }
  for (auto& [name, rows] : learned) {
    auto built = rows->build(name.model, name.version, clock_.now());
    if (!built) {
      spdlog::warn("provisional reference of {}/{}: {}", name.model, name.version,
                   built.error().message);
      continue;
    }
    const std::string text = reference::to_json(*built);
    auto parsed = reference::parse(text);  // With the document's hash, as it will be read again.
    if (!parsed) continue;
    const fs::path file =
        folder_ / "provisional" /
        (percent_encode(name.model) + "@" + percent_encode(name.version) + ".json");
    if (auto ok = config::replace_file(file, text); !ok) spdlog::warn("{}", ok.error().message);
    spdlog::info("learned a provisional reference of {}/{} from {} predictions", name.model,
                 name.version, rows->rows());
    const std::lock_guard hold(lock_);
    monitor_.set_provisional(std::make_shared<const reference::ModelReference>(std::move(*parsed)),
                             clock_.now());
  }
}

void MonitorApp::save_inputs() {
  std::vector<monitor::Monitor::InputState> states;
  {
    const std::lock_guard hold(lock_);
    states = monitor_.input_states();
    if (monitor_.blobs_refused() > refusals_told_) {
      refusals_told_ = monitor_.blobs_refused();
      spdlog::warn("state on disk refused: {}", monitor_.last_refusal());
    }
  }
  if (auto ok = write_input_states(folder_ / "inputs.state", states); !ok) {
    spdlog::warn("state of the inputs: {}", ok.error().message);
  }
}

void MonitorApp::restore_inputs() {
  auto states = read_input_states(folder_ / "inputs.state");
  if (!states) {
    spdlog::warn("state of the inputs starts afresh: {}", states.error().message);
    return;
  }
  const std::lock_guard hold(lock_);
  for (auto& state : *states) monitor_.restore_input_state(std::move(state));
}

// ---- HTTP ----

net::HttpResponse MonitorApp::reload() {
  auto settings = read_settings(options_);
  reload_metrics_.note(settings.has_value(), clock_.now());
  if (!settings) {
    spdlog::error("model configuration not reloaded: {}", settings.error().message);
    return net::error_response(500, settings.error().code, settings.error().message);
  }
  spdlog::info("model configuration reloaded");
  warn_of(*settings);
  const std::lock_guard hold(reload_lock_);
  new_settings_ = std::move(*settings);
  has_new_settings_ = true;
  return net::text_response(200, "");
}

void MonitorApp::add_log_routes(net::Router& router) {
  const auto to_log = [this](const net::HttpRequest& request) { return log_.handle(request); };
  router.add("POST", "/api/v1/labels", to_log);
  router.add("POST", "/api/v1.0/feedback", to_log);
  router.add("GET", "/api/v1/training-data", to_log);
}

std::vector<wire::Collector*> MonitorApp::own_collectors() {
  std::vector<wire::Collector*> collectors = parts_.collectors;
  collectors.insert(collectors.end(), {&monitor_metrics_, &posted_, &keys_, &log_metrics_,
                                       &reload_metrics_, &process_metrics_});
  if (scraper_) collectors.push_back(scraper_.get());
  if (sender_) collectors.push_back(sender_.get());
  return collectors;
}

// A series leaves one way, unless both are asked for. What tells how remote write goes stays on the
// page: where that way is broken, it is the only one.
net::Handler MonitorApp::metrics_handler() {
  if (sender_ && !options_.remote_write_keeps_page) return net::metrics_page({sender_.get()});
  if (!scraper_) return net::metrics_page(own_collectors());
  return net::metrics_page(own_collectors(), [this] { return scraper_->families(); });
}

void MonitorApp::open_export() {
  if (options_.scrape.enabled()) {
    scraper_ = std::make_unique<exporting::Scraper>(options_.scrape, clock_);
  }
  if (options_.remote_write.enabled()) {
    sender_ = std::make_unique<remote_write::Sender>(options_.remote_write,
                                                     folder_ / "remote-write", clock_);
  }
}

void MonitorApp::start_export() {
  if (!scraper_ && !sender_) return;
  const remote_write::Options& options = options_.remote_write;
  if (sender_) {
    const std::string instance = options.instance.empty()
                                     ? remote_write::default_instance(admin_->port())
                                     : options.instance;
    self_export_ = std::make_unique<remote_write::SelfExport>(
        own_collectors(), Labels{{"job", options.job}, {"instance", instance}}, *sender_);
    spdlog::info("metrics leave by remote write to {}", options.url);
  }
  export_loop_ = std::make_unique<exporting::ExportLoop>(
      exporting::ExportLoop::Parts{.scraper = scraper_.get(),
                                   .own = self_export_.get(),
                                   .sender = sender_.get(),
                                   .scrape_interval = options_.scrape.interval,
                                   .own_interval = options.interval},
      clock_);
}

void MonitorApp::stop_export(Duration limit) {
  if (export_loop_) export_loop_->stop();
  if (!sender_) return;
  const Duration wait = std::min(limit, options_.remote_write.flush_deadline);
  if (!sender_->stop(wait)) {
    spdlog::warn("not all was sent by remote write; the rest is queued for the next start");
  }
}

net::Router MonitorApp::admin_routes() {
  net::Router router;
  router.add("GET", options_.telemetry_path, metrics_handler());
  router.add("GET", "/-/healthy",
             [](const net::HttpRequest&) { return net::text_response(200, "OK\n"); });
  router.add("GET", "/-/ready", [this](const net::HttpRequest&) {
    if (parts_.proxy_ready()) return net::text_response(200, "OK\n");
    return net::error_response(503, "not_ready", "the proxy takes no new requests");
  });
  router.add("POST", "/api/v1/exchanges",
             [this](const net::HttpRequest& request) { return posted_.take(request); });
  router.add("POST", "/-/reload", [this](const net::HttpRequest&) { return reload(); });
  router.add("GET", "/api/v1/status", [this](const net::HttpRequest&) {
    wire::Json status;
    {
      const std::lock_guard hold(lock_);
      status = monitor_.status(clock_.now());
    }
    status["failed_exchanges"] = failures_.to_json();
    status["keys"] = keys_.to_json();
    if (const labels::PredictionLog* log = log_.get()) {
      const auto figures = log->figures();
      status["log"] = {{"available", figures.available},
                       {"pending", figures.pending},
                       {"disk_bytes", figures.disk_bytes},
                       {"early_held", figures.early_held}};
    } else {
      status["log"] = {{"available", false}};
    }
    return net::json_response(200, status);
  });
  return router;
}

void MonitorApp::start_servers() {
  net::Router admin = admin_routes();
  if (options_.labels_listen_address.empty()) {
    add_log_routes(admin);
  } else {
    net::Router router;
    add_log_routes(router);
    net::HttpServer::Settings settings{.listen_address = options_.labels_listen_address};
    if (!options_.labels_bearer_token_file.empty()) {
      const auto token = config::read_file(options_.labels_bearer_token_file, 4'096);
      if (!token) throw std::runtime_error("labels.bearer-token-file: " + token.error().message);
      settings.bearer_token = trim(*token);
      if (settings.bearer_token.empty()) {
        throw std::runtime_error("labels.bearer-token-file=" + options_.labels_bearer_token_file +
                                 ": expected a token, got an empty file");
      }
    }
    labels_server_ = std::make_unique<net::HttpServer>(settings, std::move(router));
    spdlog::info("labels and training data on port {}", labels_server_->port());
  }
  net::HttpServer::Settings settings{.listen_address = options_.listen_address};
  if (auto ok = apply_web_config(options_.web_config_file, settings); !ok) {
    throw std::runtime_error(ok.error().message);
  }
  admin_ = std::make_unique<net::HttpServer>(settings, std::move(admin));
  spdlog::info("admin API on port {}", admin_->port());
  parts_.on_listening(admin_->port());
}

}  // namespace

int run_monitor(const MonitorOptions& options, MonitorParts parts, const net::Signals& signals,
                const Clock& clock) {
  auto settings = read_settings(options);
  if (!settings) throw std::runtime_error(settings.error().message);
  be_first_to_go();
  MonitorApp app(options, std::move(parts), clock, std::move(*settings));
  limit_growth(options.memory_bytes_max);
  give_way_to_requests();
  // All that must last is synced. CivetWeb takes two seconds to stop, in which it would answer for a
  // successor; the kernel closes port and store in one moment.
  std::_Exit(app.run(signals));
}

}  // namespace outrider
