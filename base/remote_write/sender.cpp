// SPDX-License-Identifier: Apache-2.0
#include "base/remote_write/sender.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "base/config/yaml.h"
#include "base/core/text.h"
#include "base/core/version.h"
#include "base/remote_write/codec/encode.h"
#include "base/remote_write/codec/snappy_block.h"
#include "base/remote_write/codec/version.h"

namespace outrider::remote_write {
namespace {

using namespace std::chrono_literals;
using wire::MetricType;
using SteadyClock = std::chrono::steady_clock;

constexpr Duration sync_every = 1s;
constexpr Duration metadata_every = 60s;      // Of 1.0, where it stands beside the series.
constexpr Duration tell_every = 60s;          // Of the same trouble.
constexpr std::size_t families_max = 10'000;  // Remembered as sent; past it all are sent again.
constexpr std::size_t message_bytes_max = 64 << 20;
constexpr std::size_t answer_bytes_max = 64 << 10;
constexpr std::size_t secret_bytes_max = 64 << 10;
constexpr std::size_t pem_bytes_max = 16 << 20;
constexpr std::size_t told_bytes_max = 1'024;
constexpr const char* tls_hint =
    " (remote-write.tls-ca-file names the authority to trust; the URL's host must be the "
    "certificate's)";

template <class T>
T or_throw(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

Delivery::Settings delivery_settings(const Options& options) {
  Delivery::Settings settings;
  if (options.protocol == "1.0") settings.version = Version::v1;
  if (options.protocol == "2.0") settings.version = Version::v2;
  return settings;
}

Queue::Settings queue_settings(const Options& options, const std::filesystem::path& folder) {
  return {.folder = folder,
          .bytes_max = static_cast<std::uint64_t>(options.queue_bytes_max),
          .age_max = options.queue_age_max,
          .memory_bytes_max = static_cast<std::uint64_t>(options.memory_bytes_max)};
}

// The secret of a file, without the line's end that editors add.
Result<std::string> read_secret(const std::string& path, const char* option) {
  const auto text = config::read_file(path, secret_bytes_max);
  if (!text) return fail("bad_options", std::string(option) + ": " + text.error().message);
  return std::string(trim(*text));
}

// Only that there is PEM at all: whether it is the right one is known when the receiver is asked.
void check_pem(const std::string& file, const char* option) {
  const auto text = config::read_file(file, pem_bytes_max);
  if (!text) throw std::runtime_error(std::string(option) + ": " + text.error().message);
  if (text->find("-----BEGIN ") != std::string::npos) return;
  throw std::runtime_error(std::string(option) + "=" + file +
                           ": expected PEM, with a line -----BEGIN …");
}

void check_files(const Options& options) {
  if (!options.bearer_token_file.empty() && !options.basic_auth_user.empty()) {
    throw std::runtime_error(
        "remote-write.bearer-token-file and remote-write.basic-auth-user exclude each other");
  }
  if (options.basic_auth_user.empty() && !options.basic_auth_password_file.empty()) {
    throw std::runtime_error(
        "remote-write.basic-auth-password-file needs remote-write.basic-auth-user");
  }
  if (options.certificate_file.empty() && !options.key_file.empty()) {
    throw std::runtime_error(
        "remote-write.tls-key-file needs remote-write.tls-certificate-file, whose key it is");
  }
  const std::pair<const char*, const std::string&> pems[] = {
      {"remote-write.tls-ca-file", options.ca_file},
      {"remote-write.tls-certificate-file", options.certificate_file},
      {"remote-write.tls-key-file", options.key_file}};
  for (const auto& [option, file] : pems) {
    if (!file.empty()) check_pem(file, option);
  }
  if (!options.bearer_token_file.empty()) {
    or_throw(read_secret(options.bearer_token_file, "remote-write.bearer-token-file"));
  }
  if (!options.basic_auth_password_file.empty()) {
    or_throw(
        read_secret(options.basic_auth_password_file, "remote-write.basic-auth-password-file"));
  }
}

std::int64_t newest_of(const std::vector<WriteSeries>& series) {
  std::int64_t newest = 0;
  for (const WriteSeries& one : series) {
    for (const Sample& sample : one.samples) newest = std::max(newest, sample.timestamp_ms);
  }
  return newest;
}

}  // namespace

Sender::Sender(const Options& options, const std::filesystem::path& folder, const Clock& clock)
    : options_(options),
      clock_(clock),
      external_labels_(or_throw(parse_external_labels(options.external_labels))),
      headers_(or_throw(parse_headers(options.headers))),
      queue_(queue_settings(options, folder), clock),
      delivery_(delivery_settings(options)),
      random_(std::random_device{}()) {
  check_files(options);
  tally_.sums.version = delivery_.version(clock.now());
  const auto figures = queue_.figures();
  if (figures.records_pending > 0) {
    spdlog::info("remote write: {} samples of before wait to be sent", figures.pending.samples);
  }
  if (!figures.disk_usable) {
    spdlog::error("remote write: {} cannot be written; samples are queued in memory, up to {}",
                  folder.string(),
                  format_bytes(static_cast<std::uint64_t>(options.memory_bytes_max)));
  }
  thread_ = std::thread([this] { run(); });
}

Sender::~Sender() {
  stop(Duration::zero());
}

// ---- Taking ----

void Sender::append(std::vector<WriteSeries> series) {
  {
    const std::lock_guard hold(buffer_.mutex);
    if (buffer_.closed) return;
    for (WriteSeries& one : series) {
      for (const Label& label : external_labels_) {
        if (one.labels.get(label.name).empty()) one.labels.set(label.name, label.value);
      }
      put(std::move(one));
    }
  }
  {
    const std::lock_guard hold(wake_.mutex);
    wake_.called = true;
  }
  wake_.condition.notify_all();
}

void Sender::put(WriteSeries series) {
  const auto limit = static_cast<std::uint64_t>(options_.samples_per_send_max);
  // A series with more samples than a request may have goes in several.
  while (series.samples.size() > limit) {
    WriteSeries part{.labels = series.labels,
                     .metadata = series.metadata,
                     .start_timestamp_ms = series.start_timestamp_ms};
    const auto end = series.samples.begin() + static_cast<std::ptrdiff_t>(limit);
    part.samples.assign(series.samples.begin(), end);
    series.samples.erase(series.samples.begin(), end);
    put(std::move(part));
  }
  if (series.samples.empty()) return;
  if (buffer_.samples + series.samples.size() > limit) cut();
  if (buffer_.series.empty()) buffer_.since = SteadyClock::now();
  buffer_.samples += series.samples.size();
  buffer_.series.push_back(std::move(series));
  if (buffer_.samples >= limit) cut();
}

void Sender::cut() {
  if (buffer_.series.empty()) return;
  const std::int64_t newest = newest_of(buffer_.series);
  queue_.append(compress_snappy(encode_v2(buffer_.series)), count(buffer_.series), newest);
  buffer_.series.clear();
  buffer_.samples = 0;
  const std::lock_guard hold(tally_.mutex);
  tally_.sums.highest_ms = std::max(tally_.sums.highest_ms, newest);
}

void Sender::flush() {
  {
    const std::lock_guard hold(buffer_.mutex);
    cut();
  }
  {
    const std::lock_guard hold(wake_.mutex);
    wake_.called = true;
  }
  wake_.condition.notify_all();
}

// ---- Sending ----

void Sender::run() {
  for (;;) {
    const Instant next = work();
    std::unique_lock hold(wake_.mutex);
    const Instant now = SteadyClock::now();
    if (wake_.stopping && (now >= wake_.deadline || queue_.figures().records_pending == 0)) break;
    wake_.condition.wait_until(hold, std::min(next, wake_.deadline),
                               [this] { return wake_.called; });
    wake_.called = false;
  }
  queue_.sync();
  const std::lock_guard hold(wake_.mutex);
  wake_.has_ended = true;
  wake_.ended.notify_all();
}

// One step; returns when the next one is due.
Sender::Instant Sender::work() {
  const Instant now = SteadyClock::now();
  Instant next = now + sync_every;
  {
    const std::lock_guard hold(buffer_.mutex);
    if (!buffer_.series.empty()) {
      const Instant due = buffer_.since + options_.batch_deadline;
      if (now >= due) cut();
      if (now < due) next = std::min(next, due);
    }
  }
  if (now - due_.synced >= sync_every) {
    due_.synced = now;
    queue_.sync();
  }
  if (now < due_.retry_at) return std::min(next, due_.retry_at);
  const auto record = queue_.front();
  if (!record) return next;
  return std::min(next, send(*record));
}

Sender::Instant Sender::send(const Queue::Record& record) {
  for (;;) {
    const Version version = delivery_.version(clock_.now());
    const auto began = SteadyClock::now();
    const Answer answer = exchange(version, record);
    const Duration took = SteadyClock::now() - began;
    {
      const std::lock_guard hold(tally_.mutex);
      ++tally_.sums.requests[static_cast<std::size_t>(std::clamp(answer.status / 100, 0, 5))];
      const auto* bound = std::lower_bound(std::begin(wire::latency_buckets),
                                           std::end(wire::latency_buckets), to_seconds(took));
      ++tally_.sums
            .duration_counts[static_cast<std::size_t>(bound - std::begin(wire::latency_buckets))];
      tally_.sums.duration_sum += to_seconds(took);
    }
    const double unit = std::uniform_real_distribution<double>()(random_);
    const Step step = delivery_.after(answer, record.header.counts, clock_.now(), unit);
    if (step.what != Step::What::again_as_v1) return conclude(record, step, answer);
    spdlog::info("remote write: {} takes 1.0 only (status {}); falling back to it", options_.url,
                 answer.status);
  }
}

Sender::Instant Sender::conclude(const Queue::Record& record, const Step& step,
                                 const Answer& answer) {
  const Counts& counts = record.header.counts;
  if (step.what == Step::What::retry) {
    queue_.keep(record);
    due_.retry_at = SteadyClock::now() + std::max<Duration>(step.at - clock_.now(), 1ms);
    const std::lock_guard hold(tally_.mutex);
    tally_.sums.samples_retried += counts.samples;
    return due_.retry_at;
  }
  queue_.release(record);
  const std::lock_guard hold(tally_.mutex);
  tally_.sums.version = delivery_.version(clock_.now());
  if (step.what == Step::What::given_up) {
    tally_.sums.samples_failed[std::to_string(answer.status)] += counts.samples;
    tally_.sums.exemplars_failed += counts.exemplars;
    return SteadyClock::now();
  }
  tally_.sums.samples_sent += counts.samples - step.samples_refused;
  tally_.sums.exemplars_sent += counts.exemplars - step.exemplars_refused;
  tally_.sums.exemplars_failed += step.exemplars_refused;
  if (step.samples_refused > 0) tally_.sums.samples_failed["partial_write"] += step.samples_refused;
  tally_.sums.highest_sent_ms = std::max(tally_.sums.highest_sent_ms, record.header.newest_ms);
  told_.status = -1;
  return SteadyClock::now();
}

Answer Sender::exchange(Version version, const Queue::Record& record) {
  auto prepared = request(version, record);
  if (!prepared) {
    // A secret that cannot be read now may be there in a moment; a record of ours is always
    // readable.
    note_trouble(record, 0, prepared.error().message);
    return {.status = prepared.error().code == "bad_options" ? 0 : 400};
  }
  const std::uint64_t bytes = prepared->body.size();
  const auto response = client_.send(*prepared);
  if (!response) {
    const bool tls = response.error().code == "tls_failed";
    note_trouble(record, 0, response.error().message + (tls ? tls_hint : ""));
    const std::lock_guard hold(tally_.mutex);
    tally_.sums.tls_failures += tls ? 1 : 0;
    return {};
  }
  if (response->status / 100 != 2) note_trouble(record, response->status, response->body);
  {
    const std::lock_guard hold(tally_.mutex);
    tally_.sums.bytes_sent += bytes;
  }
  const auto written = [&](const char* what) {
    return std::string(response->header(written_header(what)));
  };
  return {.status = response->status,
          .retry_after = std::string(response->header("Retry-After")),
          .samples_written = written("Samples"),
          .histograms_written = written("Histograms"),
          .exemplars_written = written("Exemplars")};
}

Result<net::ClientRequest> Sender::request(Version version, const Queue::Record& record) {
  net::ClientRequest request{.method = "POST", .url = options_.url};
  request.headers = {{"Content-Type", std::string(content_type(version))},
                     {"Content-Encoding", "snappy"},
                     {"X-Prometheus-Remote-Write-Version", std::string(version_header(version))},
                     {"User-Agent", "Outrider/" + std::string(outrider::version())}};
  request.headers.insert(request.headers.end(), headers_.begin(), headers_.end());
  if (!options_.bearer_token_file.empty()) {
    auto token = read_secret(options_.bearer_token_file, "remote-write.bearer-token-file");
    if (!token) return fail(token);
    request.headers.push_back({"Authorization", "Bearer " + *token});
  }
  if (!options_.basic_auth_user.empty()) {
    request.user = options_.basic_auth_user;
    if (!options_.basic_auth_password_file.empty()) {
      auto password =
          read_secret(options_.basic_auth_password_file, "remote-write.basic-auth-password-file");
      if (!password) return fail(password);
      request.password = std::move(*password);
    }
  }
  request.timeout = options_.timeout;
  request.connect_timeout = std::min<Duration>(options_.timeout, request.connect_timeout);
  request.body_bytes_max = answer_bytes_max;
  request.ca_file = options_.ca_file;
  request.verify_tls = options_.verify_tls;
  request.certificate_file = options_.certificate_file;
  request.key_file = options_.key_file;
  request.cancelled = &wake_.cancelled;
  if (version == Version::v2) {
    request.body = record.payload;
    return request;
  }
  std::string buffer;
  const auto message = decompress_snappy(record.payload, message_bytes_max, buffer);
  if (!message) return fail(message);
  const auto older =
      downgrade(*message, [this](std::string_view family) { return wants_metadata(family); });
  if (!older) return fail(older);
  request.body = compress_snappy(*older);
  return request;
}

bool Sender::wants_metadata(std::string_view family) {
  const Instant now = SteadyClock::now();
  if (now - metadata_.since >= metadata_every || metadata_.sent.size() >= families_max) {
    metadata_.since = now;
    metadata_.sent.clear();
  }
  return metadata_.sent.insert(std::string(family)).second;
}

// The receiver's words as they are, once a minute for the same status.
void Sender::note_trouble(const Queue::Record& record, int status, const std::string& what) {
  const Instant now = SteadyClock::now();
  if (status == told_.status && now - told_.at < tell_every) return;
  told_.status = status;
  told_.at = now;
  const std::string words = what.substr(0, told_bytes_max);
  if (status == 0) {
    spdlog::warn("remote write: {} samples not sent yet: {}", record.header.counts.samples, words);
  } else {
    spdlog::warn("remote write: status {} to {} samples: {}", status, record.header.counts.samples,
                 words);
  }
}

bool Sender::stop(Duration limit) {
  {
    const std::lock_guard hold(buffer_.mutex);
    cut();
    buffer_.closed = true;
  }
  {
    std::unique_lock hold(wake_.mutex);
    wake_.stopping = wake_.called = true;
    wake_.deadline = SteadyClock::now() + std::min<Duration>(limit, 1h);
    wake_.condition.notify_all();
    wake_.ended.wait_until(hold, wake_.deadline, [this] { return wake_.has_ended; });
  }
  wake_.cancelled = true;
  if (thread_.joinable()) thread_.join();
  return queue_.figures().records_pending == 0;
}

// ---- Metrics ----

void Sender::collect(wire::MetricSink& sink) {
  const Queue::Figures figures = queue_.figures();
  Tally tally;
  {
    const std::lock_guard hold(tally_.mutex);
    tally = tally_.sums;
  }
  const auto single = [&sink](const char* name, MetricType type, const char* help, double value) {
    sink.family({name, type, help});
    sink.value(wire::SeriesKey(), value);
  };
  const auto number = [](std::uint64_t count) { return static_cast<double>(count); };
  const auto labelled = [&](const char* label, std::string_view value, std::uint64_t count) {
    sink.value(wire::SeriesKey({{label, std::string(value)}}), number(count));
  };
  single("outrider_remote_write_samples_total", MetricType::counter,
         "Samples that the receiver took.", number(tally.samples_sent));
  single("outrider_remote_write_exemplars_total", MetricType::counter,
         "Exemplars that the receiver took.", number(tally.exemplars_sent));
  single("outrider_remote_write_exemplars_failed_total", MetricType::counter,
         "Exemplars that the receiver refused.", number(tally.exemplars_failed));
  single("outrider_remote_write_samples_retried_total", MetricType::counter,
         "Samples of requests that had to be sent again: no answer, 5xx or 429.",
         number(tally.samples_retried));
  sink.family({"outrider_remote_write_samples_failed_total", MetricType::counter,
               "Samples that the receiver refused for good, by status."});
  tally.samples_failed.try_emplace("400", 0);
  tally.samples_failed.try_emplace("partial_write", 0);
  for (const auto& [reason, count] : tally.samples_failed) labelled("reason", reason, count);
  sink.family({"outrider_remote_write_samples_dropped_total", MetricType::counter,
               "Samples that were not sent, by the limit that took them."});
  labelled("reason", "queue_full", figures.dropped.queue_full);
  labelled("reason", "too_old", figures.dropped.too_old);
  labelled("reason", "memory_full", figures.dropped.memory_full);
  labelled("reason", "too_large", figures.dropped.too_large);
  labelled("reason", "damaged", figures.dropped.damaged);
  single("outrider_remote_write_samples_pending", MetricType::gauge, "Samples in the queue.",
         number(figures.pending.samples));
  single("outrider_remote_write_queue_bytes", MetricType::gauge, "Bytes of the queue on disk.",
         number(figures.disk_bytes));
  single("outrider_remote_write_queue_limit_bytes", MetricType::gauge,
         "What the queue on disk may have.", static_cast<double>(options_.queue_bytes_max));
  single("outrider_remote_write_queue_memory_bytes", MetricType::gauge,
         "Bytes of the queue in memory, while its disk fails.", number(figures.memory_bytes));
  single("outrider_remote_write_queue_disk_up", MetricType::gauge,
         "1 while the queue's disk takes what is written.", figures.disk_usable ? 1 : 0);
  single("outrider_remote_write_queue_write_errors_total", MetricType::counter,
         "Writes to the queue that failed.", number(figures.write_errors));
  single("outrider_remote_write_queue_damaged_total", MetricType::counter,
         "Places in the queue that were cut or damaged, and skipped.",
         number(figures.damaged_places));
  constexpr const char* classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
  sink.family({"outrider_remote_write_requests_total", MetricType::counter,
               "Requests, by the class of their answer."});
  for (std::size_t i = 0; i < tally.requests.size(); ++i) {
    labelled("code", classes[i], tally.requests[i]);
  }
  single("outrider_remote_write_tls_failures_total", MetricType::counter,
         "Requests that were not sent, as one side did not accept the other's certificate.",
         number(tally.tls_failures));
  single("outrider_remote_write_sent_bytes_total", MetricType::counter,
         "Bytes of compressed request bodies.", number(tally.bytes_sent));
  sink.family({"outrider_remote_write_sent_batch_duration_seconds", MetricType::histogram,
               "Time from a request to its answer."});
  sink.histogram(wire::SeriesKey(), {std::span<const double>(wire::latency_buckets),
                                     tally.duration_counts,
                                     tally.duration_sum,
                                     {}});
  single("outrider_remote_write_highest_timestamp_seconds", MetricType::gauge,
         "The newest sample that was queued.", static_cast<double>(tally.highest_ms) / 1000);
  single("outrider_remote_write_highest_sent_timestamp_seconds", MetricType::gauge,
         "The newest sample that the receiver took.",
         static_cast<double>(tally.highest_sent_ms) / 1000);
  single("outrider_remote_write_protocol_version", MetricType::gauge,
         "The major version that the receiver is sent.", tally.version == Version::v2 ? 2 : 1);
}

}  // namespace outrider::remote_write
