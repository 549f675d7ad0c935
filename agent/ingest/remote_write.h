// SPDX-License-Identifier: Apache-2.0
#pragma once

// POST /api/v1/write: Prometheus's remote write, 1.0 and 2.0, as a receiver; and GET
// /api/v1/series: what came in. SHELL: holds the locks; SeriesPartition decides.
//
//   RemoteWriteReceiver receiver(settings, clock, &scorer);
//   router.add("POST", "/api/v1/write", [&](const HttpRequest& r) { return receiver.take(r); });
//   router.add("GET", "/api/v1/series", [&](const HttpRequest& r) { return receiver.list(r); });
//
// Answers: 204 when all was stored; 400 with a text body when some of it was refused (the rest is
// stored) or the message is none; 413 past a limit of the request; 415 for another Content-Type or
// -Encoding; 403 where the token is limited and a series of the request lies outside of its limits
// (series_limits.h; metadata of such a token is passed over, as a family's type is the whole
// fleet's); 503 with Retry-After when requests at hand take all the memory they may, or the
// consumer cannot keep up. After 403, 413, 415 and 503 nothing of the request was stored. To 2.0
// each answer bears the Written headers.
//
// Bounded: bytes of requests being worked on (in_flight_bytes_max, then up to waiting_max requests
// wait for wait_max), decompressed bytes, series and samples of a request (WriteRequest::Limits),
// series in all and their label texts (SeriesTable), families, exemplars, histograms kept.
//
// Threads. Every method is thread-safe. Series are spread over `partitions`, each with its own
// lock, by fingerprint; requests are decompressed and decoded outside the locks.
//
// Sources: the Prometheus documentation, "Remote-Write specification" 1.0 and 2.0.

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/ingest/families.h"
#include "agent/ingest/series_partition.h"
#include "agent/series/series_sink.h"
#include "base/core/clock.h"
#include "base/net/http_server.h"
#include "base/remote_write/codec/decode.h"
#include "base/wire/exposition.h"

namespace outrider::config {
class OptionTable;
}

namespace outrider::ingest {

// Lets requests in while their bytes fit; makes some wait, and turns the others away.
class Admission {
 public:
  struct Limits {
    std::size_t in_flight_bytes_max =
        128u << 20;  // Compressed and decompressed; decoded about twice that.
    std::size_t waiting_max = 32;
    Duration wait_max = std::chrono::seconds(1);
  };
  explicit Admission(const Limits& limits) : limits_(limits) {}

  // One request of any size is always let in, so that none waits forever. False: turned away.
  bool enter(std::size_t bytes);
  void leave(std::size_t bytes);

  // Leaves at the end of the block, however it ends.
  class Leave {
   public:
    Leave(Admission& admission, std::size_t bytes) : admission_(admission), bytes_(bytes) {}
    ~Leave() { admission_.leave(bytes_); }
    Leave(const Leave&) = delete;
    Leave& operator=(const Leave&) = delete;

   private:
    Admission& admission_;
    const std::size_t bytes_;
  };
  std::size_t in_flight_bytes() const;

 private:
  bool fits(std::size_t bytes) const {
    return in_flight_ == 0 || in_flight_ + bytes <= limits_.in_flight_bytes_max;
  }
  const Limits limits_;
  mutable std::mutex mutex_;
  std::condition_variable left_;
  std::size_t in_flight_ = 0;
  std::size_t waiting_ = 0;
};

class RemoteWriteReceiver final : public wire::Collector {
 public:
  struct Settings {
    std::size_t partitions = 4;
    std::size_t decompressed_bytes_max = 32u << 20;  // Of one request.
    Admission::Limits admission;
    remote_write::WriteRequest::Limits request;
    SeriesTable::Settings table;  // Of all partitions together.
    Families::Limits families;
    Duration ahead_max = std::chrono::minutes(10);
    Duration age_max = std::chrono::hours(24);
    std::size_t exemplars_max = 4096;
    std::size_t histogram_bytes_max = 64u << 20;
    Duration retry_after = std::chrono::seconds(2);

    void add_to(config::OptionTable& options);  // ingest.*
  };

  // The clock and the sink must outlive it; the sink may be none.
  RemoteWriteReceiver(const Settings& settings, const Clock& clock, series::SeriesSink* sink);
  ~RemoteWriteReceiver();

  net::HttpResponse take(const net::HttpRequest& request);

  // ?name=METRIC&label=NAME=VALUE&limit=N: JSON of the series that match all, with their last
  // samples.
  net::HttpResponse list(const net::HttpRequest& request) const;

  void collect(wire::MetricSink& sink) override;

  // Of a partition; for the sink, within take().
  const series::SeriesDirectory& directory(std::size_t partition) const;
  std::size_t partitions() const { return partitions_.size(); }

 private:
  enum class Outcome : std::uint8_t {
    stored,
    partial,    // Some of it was refused.
    malformed,  // No snappy block, or no message of that kind.
    too_large,
    unsupported,  // 415.
    pressure,     // 503.
    out_of_scope  // 403.
  };
  static constexpr std::size_t outcome_count = 7;
  static constexpr std::array<std::string_view, outcome_count> outcome_words = {
      "stored", "partial", "malformed", "too_large", "unsupported", "pressure", "out_of_scope"};

  struct Partition {
    Partition(const SeriesPartition::Settings& settings, Families& families, SeriesCount& count,
              series::SeriesSink* sink)
        : series(settings, families, count, sink) {}
    mutable std::mutex mutex;
    SeriesPartition series;
    Time tidied_at{};
  };
  struct Workspace;
  struct Answer {
    Outcome outcome = Outcome::stored;
    int status = 204;
    std::string text;  // Of an error.
    WriteReport report;
  };

  Answer answer_to(const net::HttpRequest& request, remote_write::Version version);
  Answer work_on(Workspace& workspace, const net::HttpRequest& request,
                 remote_write::Version version);
  void store(Workspace& workspace, remote_write::Version version, WriteReport& report);
  void store_in(Workspace& workspace, std::size_t partition, Time now, WriteReport& report,
                bool is_more);
  void take_families(const remote_write::WriteRequest& request, WriteReport& report);
  net::HttpResponse respond(const Answer& answer, remote_write::Version version) const;
  net::HttpResponse refuse_type(const net::HttpRequest& request, const Error& error);
  void count(const Answer& answer, remote_write::Version version, std::size_t bytes, Duration took);
  void say(const Answer& answer);
  std::unique_ptr<Workspace> borrow();
  void give_back(std::unique_ptr<Workspace> workspace);
  void collect_requests(wire::MetricSink& sink);
  void collect_samples(wire::MetricSink& sink);
  void collect_series(wire::MetricSink& sink);

  const Settings settings_;
  const Clock& clock_;
  series::SeriesSink* const sink_;
  Families families_;
  SeriesCount series_count_;
  Admission admission_;
  std::vector<std::unique_ptr<Partition>> partitions_;
  struct {  // That no request works with.
    std::mutex mutex;
    std::vector<std::unique_ptr<Workspace>> list;
  } idle_;

  using Count = std::atomic<std::uint64_t>;
  struct {
    std::array<std::array<Count, outcome_count>, 2> requests{};
    Count samples{0}, histograms{0}, exemplars{0}, repetitions{0}, metadata_refused{0};
    Count compressed_bytes{0}, decompressed_bytes{0};
    std::array<Count, refusal_count> refused{};
    std::array<Count, std::size(wire::latency_buckets) + 1> durations{};
    Count duration_ns{0};
  } tally_;
  std::atomic<std::int64_t> said_at_s_{0};
};

}  // namespace outrider::ingest
