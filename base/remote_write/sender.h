// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sends series to a Prometheus remote write receiver, whatever becomes of the receiver, the disk or
// this process: series -> batches -> queue on disk (queue.h) -> one thread that sends them in
// order. What to do with an answer is decided in base/remote_write/codec/delivery.h. SHELL;
// thread-safe.
//
//   Sender sender(options, "data/remote-write", clock);
//   sender.append(series);      // buffered until a batch is full, a second has passed, or flush()
//   sender.flush();             // now it outlives a kill -9
//   sender.stop(5s);            // sends what it can until then; the rest stays on disk
//
// Limits: batches of samples_per_send_max; the buffer is one batch; the queue's limits. The
// counters outrider_remote_write_* balance: what was appended is sent, failed, dropped or pending.

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/net/http_client.h"
#include "base/remote_write/codec/delivery.h"
#include "base/remote_write/options.h"
#include "base/remote_write/queue.h"
#include "base/wire/exposition.h"

namespace outrider::remote_write {

class Sender final : public wire::Collector {
 public:
  // Throws std::runtime_error that names the option that is wrong. A disk or receiver that fails
  // does not keep it from starting.
  Sender(const Options& options, const std::filesystem::path& folder, const Clock& clock);
  ~Sender() override;  // Stops at once: what is queued stays on disk.
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  // Series without samples are left out. Adds the external labels.
  void append(std::vector<WriteSeries> series);
  void flush();

  // No more is taken. True when all that was queued was sent within the limit. Idempotent.
  bool stop(Duration limit);

  void collect(wire::MetricSink& sink) override;

 private:
  using Instant = std::chrono::steady_clock::time_point;

  void put(WriteSeries series);  // Under buffer_.mutex, as cut().
  void cut();

  void run();
  Instant work();
  Instant send(const Queue::Record& record);
  Instant conclude(const Queue::Record& record, const Step& step, const Answer& answer);
  Answer exchange(Version version, const Queue::Record& record);
  Result<net::ClientRequest> request(Version version, const Queue::Record& record);
  bool wants_metadata(std::string_view family);
  void note_trouble(const Queue::Record& record, int status, const std::string& what);

  const Options options_;
  const Clock& clock_;
  Labels external_labels_;
  std::vector<net::Header> headers_;
  Queue queue_;

  struct {
    std::mutex mutex;
    std::vector<WriteSeries> series;
    std::uint64_t samples = 0;
    Instant since{};
    bool closed = false;
  } buffer_;

  // The sending thread's own.
  net::HttpClient client_;
  Delivery delivery_;
  std::minstd_rand random_;
  struct {
    Instant retry_at{}, synced{};
  } due_;
  struct {  // What the log was told last.
    Instant at{};
    int status = -1;
  } told_;
  struct {
    Instant since{};
    std::set<std::string, std::less<>> sent;  // Of 1.0, since then.
  } metadata_;

  struct {
    std::mutex mutex;
    std::condition_variable condition, ended;
    bool called = false, stopping = false, has_ended = false;
    Instant deadline = Instant::max();
    std::atomic<bool> cancelled{false};  // What is being sent, too.
  } wake_;

  struct Tally {
    std::uint64_t samples_sent = 0, exemplars_sent = 0, samples_retried = 0, bytes_sent = 0;
    std::uint64_t exemplars_failed = 0, tls_failures = 0;
    std::map<std::string, std::uint64_t> samples_failed;  // By status, and "partial_write".
    std::array<std::uint64_t, 6> requests{};              // No answer, 1xx … 5xx.
    std::array<std::uint64_t, std::size(wire::latency_buckets) + 1> duration_counts{};
    double duration_sum = 0;
    std::int64_t highest_ms = 0, highest_sent_ms = 0;
    Version version = Version::v2;
  };
  struct {
    std::mutex mutex;
    Tally sums;
  } tally_;
  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace outrider::remote_write
