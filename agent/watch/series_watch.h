// SPDX-License-Identifier: Apache-2.0
#pragma once

// Watches what comes in by remote write: scores it, keeps the alert budget, raises anomalies, sends
// scores back, and remembers all of it over a restart. SHELL; thread-safe. series/ decides
// (anomaly_book.h says what is raised); this holds the locks.
//
//   SeriesWatch watch(settings, rules, clock, {.alerts = ..., .write = ...});
//   RemoteWriteReceiver receiver(receiver_settings, clock, &watch);
//   watch.set_directory([&](std::size_t p) -> auto& { return receiver.directory(p); });
//   watch.start();                // the thread that raises, sends and saves
//
// Limits: series watched, histograms, findings waiting (findings_max, undelivered_max), scores
// shown and sent back (shown_max, the highest), each with a counter.

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/series/anomaly_book.h"
#include "agent/series/series_sink.h"
#include "agent/watch/findings_inbox.h"
#include "agent/watch/series_boards.h"
#include "base/remote_write/codec/encode.h"
#include "base/wire/alert_webhook.h"
#include "base/wire/exposition.h"
#include "base/wire/json.h"

namespace outrider::config {
class OptionTable;
}

namespace outrider::watch {

class SeriesWatch final : public series::SeriesSink, public wire::Collector {
 public:
  struct Settings {
    std::size_t partitions = 4;
    std::size_t watched_max = 200'000;
    std::size_t histograms_max = 20'000;
    double alerts_a_week = 20;
    Duration quiet = std::chrono::minutes(15);
    Duration write_every = std::chrono::seconds(15);
    Duration save_every = std::chrono::minutes(10);
    std::size_t findings_max = 10'000;
    std::size_t undelivered_max = 10'000;  // Alerts, while the journal takes none.
    std::size_t shown_max = 1'000;
    std::size_t exported_max = 100;  // Of those, on /metrics.
    Duration shown_for = std::chrono::hours(1);
    std::string state_file;  // "": nothing is kept.

    void add_to(config::OptionTable& options);  // series.*
  };
  struct Dependencies {
    // Takes alerts for good; throws when it could not. They are given again then.
    std::function<void(const wire::AlertWebhook&)> alerts;
    std::function<void(std::vector<remote_write::WriteSeries>)> write;  // None: not sent back.
    // Label sets of the anomalies that are firing by the incidents' account, for after a restart.
    std::function<std::vector<Labels>()> open_anomalies;
  };
  using Directory = std::function<const series::SeriesDirectory&(std::size_t partition)>;

  // Reads the state file; one that is cut or corrupt is refused with a logged message, and put
  // aside.
  SeriesWatch(const Settings& settings, series::WatchRules rules, const Clock& clock,
              Dependencies dependencies);
  ~SeriesWatch() override;  // Stops, and saves.
  SeriesWatch(const SeriesWatch&) = delete;
  SeriesWatch& operator=(const SeriesWatch&) = delete;

  void set_directory(Directory directory) { directory_ = std::move(directory); }
  void start();
  void stop();  // Ends the thread, and saves. Idempotent.

  void take(std::size_t partition, std::span<const series::IncomingSeries> series) override;
  void forget(std::size_t partition, std::uint32_t slot) override;
  void take_metadata(std::string_view, series::MetricKind) override {}

  void round();  // What the thread does once a second; tests call it.
  void save();   // Throws std::runtime_error when the disk fails.

  void collect(wire::MetricSink& sink) override;
  // outrider_anomaly_score of the highest, a collector of its own: what goes to /metrics need not
  // be what is sent by remote write.
  wire::Collector& scores() { return scores_; }
  // {"threshold", "alerts_a_week", "allowance", "anomalies": [...]}, the highest scores first.
  wire::Json anomalies() const;

 private:
  struct Scores final : wire::Collector {
    explicit Scores(SeriesWatch& of) : watch(of) {}
    void collect(wire::MetricSink& sink) override { watch.collect_scores(sink); }
    SeriesWatch& watch;
  };

  wire::AlertWebhook judge(const FindingsInbox::Content& found, Time now);
  void deliver();
  void drop_undelivered();
  void write_scores(Time now);
  void save_now_and_then(Time now);
  void restore();
  void run();
  void collect_scores(wire::MetricSink& sink) const;

  const Settings settings_;
  const Clock& clock_;
  const Dependencies dependencies_;
  Directory directory_;
  Scores scores_{*this};
  SeriesBoards boards_;
  FindingsInbox inbox_;

  mutable std::mutex mutex_;  // Guards the book; never held while a board's is.
  series::AnomalyBook book_;

  // The thread's own.
  struct Own {
    Time started_at, written_at, saved_at;
    std::map<std::string, Labels> written;  // What was sent back last, to mark its end.
    wire::AlertWebhook undelivered;
  };
  Own own_;
  std::atomic<std::uint64_t> alerts_dropped_{0}, saves_failed_{0};

  struct Wake {
    std::mutex mutex;
    std::condition_variable condition;
    bool stopping = false;
  };
  Wake wake_;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace outrider::watch
