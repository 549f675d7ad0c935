// SPDX-License-Identifier: Apache-2.0
#include "agent/ingest/remote_write.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

#include "agent/ingest/series_limits.h"
#include "base/core/text.h"
#include "base/remote_write/codec/snappy_block.h"
#include "base/remote_write/codec/version.h"

namespace outrider::ingest {
namespace {

using net::HttpRequest;
using net::HttpResponse;
using remote_write::Version;

constexpr std::size_t idle_workspaces_max = 8;
constexpr std::size_t workspace_bytes_max = 16u
                                            << 20;  // One that grew past it gives its memory back.
constexpr std::int64_t say_every_s = 10;
constexpr Duration tidy_every = std::chrono::seconds(1);

}  // namespace

bool Admission::enter(std::size_t bytes) {
  std::unique_lock lock(mutex_);
  if (!fits(bytes)) {
    if (waiting_ >= limits_.waiting_max) return false;
    ++waiting_;
    const bool room = left_.wait_for(lock, limits_.wait_max, [&] { return fits(bytes); });
    --waiting_;
    if (!room) return false;
  }
  in_flight_ += bytes;
  return true;
}

void Admission::leave(std::size_t bytes) {
  {
    std::lock_guard lock(mutex_);
    in_flight_ -= bytes;
  }
  left_.notify_all();
}

std::size_t Admission::in_flight_bytes() const {
  std::lock_guard lock(mutex_);
  return in_flight_;
}

// What one request needs while it is worked on; reused, so that nothing is allocated a sample.
struct RemoteWriteReceiver::Workspace {
  explicit Workspace(const Settings& settings)
      : request(settings.request), indexes(settings.partitions), moved(settings.partitions) {}

  std::size_t memory_bytes() const {
    std::size_t bytes = request.memory_bytes() + decompressed.capacity();
    for (const auto& list : indexes) bytes += list.capacity() * sizeof(std::uint32_t);
    return bytes;
  }

  remote_write::WriteRequest request;
  std::string decompressed;
  std::vector<std::vector<std::uint32_t>> indexes;  // Of the request's series, by partition.
  std::vector<std::vector<std::uint32_t>> moved;
};

RemoteWriteReceiver::RemoteWriteReceiver(const Settings& settings, const Clock& clock,
                                         series::SeriesSink* sink)
    : settings_(settings),
      clock_(clock),
      sink_(sink),
      families_(settings.families),
      admission_(settings.admission) {
  SeriesPartition::Settings share;
  share.table = settings.table;
  share.table.label_bytes_max = settings.table.label_bytes_max / settings.partitions;
  share.labels = settings.request.labels;
  share.ahead_max = settings.ahead_max;
  share.age_max = settings.age_max;
  share.exemplars_max = settings.exemplars_max / settings.partitions;
  share.histogram_bytes_max = settings.histogram_bytes_max / settings.partitions;
  share.partitions = settings.partitions;
  for (share.partition = 0; share.partition < settings.partitions; ++share.partition) {
    partitions_.push_back(std::make_unique<Partition>(share, families_, series_count_, sink));
  }
}

RemoteWriteReceiver::~RemoteWriteReceiver() = default;

const series::SeriesDirectory& RemoteWriteReceiver::directory(std::size_t partition) const {
  return partitions_[partition]->series;
}

HttpResponse RemoteWriteReceiver::take(const HttpRequest& request) {
  const auto began = std::chrono::steady_clock::now();
  const auto version =
      remote_write::negotiate(request.header("Content-Type"), request.header("Content-Encoding"));
  if (!version) return refuse_type(request, version.error());
  const Answer answer = answer_to(request, *version);
  count(answer, *version, request.body.size(), std::chrono::steady_clock::now() - began);
  say(answer);
  return respond(answer, *version);
}

HttpResponse RemoteWriteReceiver::refuse_type(const HttpRequest& request, const Error& error) {
  const bool second = request.header("Content-Type").find("v2.Request") != std::string_view::npos ||
                      request.header("X-Prometheus-Remote-Write-Version").starts_with("2");
  const Version version = second ? Version::v2 : Version::v1;
  const Answer answer{Outcome::unsupported, 415, error.message, {}};
  count(answer, version, 0, {});
  return respond(answer, version);
}

RemoteWriteReceiver::Answer RemoteWriteReceiver::answer_to(const HttpRequest& request,
                                                           Version version) {
  const auto declared = remote_write::snappy_declared_bytes(request.body);
  if (!declared) return {Outcome::malformed, 400, declared.error().message, {}};
  if (sink_ && sink_->under_pressure()) {
    return {Outcome::pressure, 503, "the agent cannot keep up with scoring; come again", {}};
  }
  const std::size_t bytes =
      request.body.size() + std::min(*declared, settings_.decompressed_bytes_max);
  if (!admission_.enter(bytes)) {
    return {
        Outcome::pressure, 503, "requests at hand take all the memory they may; come again", {}};
  }
  const Admission::Leave leave(admission_, bytes);
  auto workspace = borrow();
  Answer answer = work_on(*workspace, request, version);
  give_back(std::move(workspace));
  return answer;
}

RemoteWriteReceiver::Answer RemoteWriteReceiver::work_on(Workspace& workspace,
                                                         const HttpRequest& request,
                                                         Version version) {
  const auto refuse = [](const Error& error) -> Answer {
    if (error.code == "too_large") return {Outcome::too_large, 413, error.message, {}};
    return {Outcome::malformed, 400, error.message, {}};
  };
  const auto message = remote_write::decompress_snappy(
      request.body, settings_.decompressed_bytes_max, workspace.decompressed);
  if (!message) return refuse(message.error());
  tally_.decompressed_bytes += message->size();
  if (const auto read = workspace.request.decode(version, *message); !read) {
    return refuse(read.error());
  }
  if (request.scope) {
    if (auto why = outside_of(*request.scope, workspace.request, settings_.request.labels))
      return {Outcome::out_of_scope, 403, std::move(*why), {}};
    workspace.request.forget_metadata();
  }
  Answer answer;
  store(workspace, version, answer.report);
  const WriteReport& report = answer.report;
  if (report.refused_total() == 0) return answer;
  answer.outcome = Outcome::partial;
  answer.status = 400;
  // Senders log the first line alone.
  answer.text = "stored " + std::to_string(report.samples) + " samples, " +
                std::to_string(report.histograms) + " histograms and " +
                std::to_string(report.exemplars) + " exemplars; refused " +
                std::to_string(report.refused_total()) + ", e.g. " + report.messages.front();
  for (std::size_t i = 1; i < report.messages.size(); ++i) answer.text += "\n" + report.messages[i];
  return answer;
}

void RemoteWriteReceiver::store(Workspace& workspace, Version version, WriteReport& report) {
  if (version == Version::v1) take_families(workspace.request, report);
  for (auto& list : workspace.indexes) list.clear();
  for (auto& list : workspace.moved) list.clear();
  const auto series = workspace.request.series();
  for (std::uint32_t i = 0; i < series.size(); ++i) {
    workspace.indexes[SeriesPartition::partition_of(series[i].key, partitions_.size())].push_back(
        i);
  }
  const Time now = clock_.now();
  for (std::size_t i = 0; i < partitions_.size(); ++i) store_in(workspace, i, now, report, false);
  // What came in an unusual encoding is known by another fingerprint than its bytes'.
  workspace.indexes.swap(workspace.moved);
  for (std::size_t i = 0; i < partitions_.size(); ++i) {
    if (!workspace.indexes[i].empty()) store_in(workspace, i, now, report, true);
  }
}

void RemoteWriteReceiver::store_in(Workspace& workspace, std::size_t number, Time now,
                                   WriteReport& report, bool is_more) {
  Partition& partition = *partitions_[number];
  std::lock_guard lock(partition.mutex);
  if (now - partition.tidied_at >= tidy_every) {
    partition.tidied_at = now;
    partition.series.tidy(now);
  }
  if (workspace.indexes[number].empty()) return;
  partition.series.take(workspace.request, workspace.indexes[number], now, report, is_more);
  for (const auto& [index, owner] : partition.series.moved()) {
    workspace.moved[owner].push_back(index);
  }
}

void RemoteWriteReceiver::take_families(const remote_write::WriteRequest& request,
                                        WriteReport& report) {
  for (const remote_write::WireMetadata& metadata : request.metadata()) {
    const Families::Outcome outcome = families_.set(metadata.family, metadata);
    if (outcome == Families::Outcome::refused) ++report.metadata_refused;
    if (outcome == Families::Outcome::changed && sink_) {
      sink_->take_metadata(metadata.family, kind_of(metadata.type));
    }
  }
}

HttpResponse RemoteWriteReceiver::respond(const Answer& answer, Version version) const {
  HttpResponse response = net::text_response(answer.status, answer.text);
  if (!answer.text.empty()) response.body += "\n";
  if (version == Version::v2) {
    const std::pair<const char*, std::uint64_t> written[] = {
        {"Samples", answer.report.samples},
        {"Histograms", answer.report.histograms},
        {"Exemplars", answer.report.exemplars}};
    for (const auto& [what, count] : written) {
      response.headers.push_back({remote_write::written_header(what), std::to_string(count)});
    }
  }
  if (answer.outcome == Outcome::pressure) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(settings_.retry_after);
    response.headers.push_back({"Retry-After", std::to_string(seconds.count())});
  }
  return response;
}

std::unique_ptr<RemoteWriteReceiver::Workspace> RemoteWriteReceiver::borrow() {
  {
    std::lock_guard lock(idle_.mutex);
    if (!idle_.list.empty()) {
      auto workspace = std::move(idle_.list.back());
      idle_.list.pop_back();
      return workspace;
    }
  }
  return std::make_unique<Workspace>(settings_);
}

void RemoteWriteReceiver::give_back(std::unique_ptr<Workspace> workspace) {
  if (workspace->memory_bytes() > workspace_bytes_max) return;
  std::lock_guard lock(idle_.mutex);
  if (idle_.list.size() < idle_workspaces_max) idle_.list.push_back(std::move(workspace));
}

void RemoteWriteReceiver::count(const Answer& answer, Version version, std::size_t bytes,
                                Duration took) {
  ++tally_.requests[static_cast<std::size_t>(version)][static_cast<std::size_t>(answer.outcome)];
  const WriteReport& report = answer.report;
  tally_.samples += report.samples;
  tally_.histograms += report.histograms;
  tally_.exemplars += report.exemplars;
  tally_.repetitions += report.repetitions;
  tally_.metadata_refused += report.metadata_refused;
  tally_.compressed_bytes += bytes;
  for (std::size_t i = 0; i < refusal_count; ++i) {
    if (report.refused[i] > 0) tally_.refused[i] += report.refused[i];
  }
  const auto bucket = std::lower_bound(std::begin(wire::latency_buckets),
                                       std::end(wire::latency_buckets), to_seconds(took));
  ++tally_.durations[static_cast<std::size_t>(bucket - std::begin(wire::latency_buckets))];
  tally_.duration_ns += static_cast<std::uint64_t>(took.count());
}

// A sender that keeps sending what is refused must not fill the log.
void RemoteWriteReceiver::say(const Answer& answer) {
  if (answer.outcome == Outcome::stored) return;
  const std::int64_t now_s = to_unix_ms(clock_.now()) / 1000;
  std::int64_t said_at_s = said_at_s_.load();
  if (now_s - said_at_s < say_every_s || !said_at_s_.compare_exchange_strong(said_at_s, now_s)) {
    return;
  }
  spdlog::warn("remote write answered {}: {}", answer.status,
               answer.text.substr(0, answer.text.find('\n')));
}

}  // namespace outrider::ingest
