// SPDX-License-Identifier: Apache-2.0
#pragma once

// Bodies on their way to one HTTP receiver, whatever becomes of the receiver or this process: queue
// on disk (queue.h) -> one thread that posts them, one at a time and in their order. SHELL;
// thread-safe.
//
//   Courier courier({.name = "predictions", .url = "http://agent:9510/api/v1/predictions", …},
//   clock);
//   courier.append(body, rows);     // on disk when it returns
//   courier.stop(5s);               // sends what it can until then; the rest stays on disk
//
// What becomes of a body, by its answer. Other rules than remote write's: nothing of this may be
// lost silently.
// - 2xx: done.
// - 400, 413, 415, 422: the receiver will never take this one. It is given up, counted by reason
//   (`http_400`), and logged with the receiver's words.
// - anything else, or none: again, after a back-off with jitter (30 ms to 10 s) or Retry-After,
//   whichever is later. So a wrong token or address (401, 403, 404) loses nothing while it is put
//   right: what waits is bounded by the queue's bytes and age.
// Delivery is at least once: the receiver tells repetitions apart.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <thread>

#include "base/core/backoff.h"
#include "base/core/clock.h"
#include "base/net/http_client.h"
#include "base/remote_write/queue.h"

namespace outrider::remote_write {

class Courier {
 public:
  struct Settings {
    std::string name;  // For the log.
    std::string url;
    std::string content_type;
    // Certificates and token of each attempt; what it cannot read is tried again.
    std::function<Result<void>(net::ClientRequest&)> prepare = {};
    Duration timeout = std::chrono::seconds(10);
    // Put behind a body each time it is sent.
    std::function<std::string()> trailer = {};
    // Sent when nothing was for so long and nothing waits; an empty one is not sent.
    std::function<std::string()> idle_body = {};
    Duration idle_every = std::chrono::seconds(5);
    Queue::Settings queue = {};
  };

  struct Figures {
    Queue::Figures queue;
    std::uint64_t sent = 0;                        // Items that the receiver took.
    std::map<std::string, std::uint64_t> refused;  // Items given up, by reason.
    std::uint64_t answered = 0, failed = 0;        // Requests.
    bool up = false;                               // The last request was answered with 2xx.
  };

  Courier(Settings settings, const Clock& clock);
  ~Courier();  // Stops at once: what is queued stays on disk.
  Courier(const Courier&) = delete;
  Courier& operator=(const Courier&) = delete;

  // False when the body was dropped; queue.h says when.
  bool append(std::string_view body, std::uint64_t items);
  // True when all that was queued was sent within the limit. Idempotent.
  bool stop(Duration limit);
  // Whether nothing waits.
  bool empty() const { return queue_.figures().records_pending == 0; }

  Figures figures() const;

 private:
  using Instant = std::chrono::steady_clock::time_point;
  struct Answer {
    int status = 0;  // 0: none.
    std::string retry_after, words;
  };

  void run();
  Instant work();
  Answer post(std::string_view body);
  Instant conclude(const Queue::Record* record, const Answer& answer);
  void note_trouble(const Answer& answer, std::uint64_t items, bool given_up);

  const Settings settings_;
  const Clock& clock_;
  Queue queue_;

  // The sending thread's own.
  net::HttpClient client_;
  Backoff backoff_{{.initial = std::chrono::milliseconds(30), .max = std::chrono::seconds(10)}};
  std::minstd_rand random_;
  Instant retry_at_{}, synced_{}, sent_at_{};
  struct {  // What the log was told last.
    Instant at{};
    int status = -1;
  } told_;

  struct {
    std::mutex mutex;
    std::condition_variable condition;
    bool called = false, stopping = false;
    Instant deadline = Instant::max();
  } wake_;
  std::atomic<bool> cancelled_{false};

  mutable std::mutex tally_mutex_;
  Figures tally_;
  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace outrider::remote_write
