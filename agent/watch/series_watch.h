// SPDX-License-Identifier: Apache-2.0
#pragma once

// Watches what comes in by remote write: scores it, keeps the alert budget, raises anomalies, sends
// scores back, and remembers all of it over a restart. SHELL; thread-safe. series/ decides; this
// holds the locks.
//
//   SeriesWatch watch(settings, rules, clock, {.alerts = ..., .write = ...});
//   RemoteWriteReceiver receiver(receiver_settings, clock, &watch);
//   watch.set_directory([&](std::size_t p) -> const series::SeriesDirectory& { return
//   receiver.directory(p); });
//   watch.start();                // the thread that raises, sends and saves
//
// What is raised: an episode's beginning, if the incident of its owner is open already or the
// budget allows one more; otherwise it is held back (counted, and listed). An episode's end
// resolves it. Anomalies that were open when the agent stopped and whose series does not come back
// within an hour are resolved.
//
// Limits: series watched, histograms, findings waiting (findings_max, undelivered_max), scores
// shown and sent back (shown_max, the highest), each with a counter.

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/series/alert_budget.h"
#include "agent/series/quantile_board.h"
#include "agent/series/series_board.h"
#include "agent/series/series_sink.h"
#include "base/wire/alert_webhook.h"
#include "base/wire/exposition.h"
#include "base/wire/json.h"
#include "base/wire/remote_write/encode.h"

namespace outrider::watch {

class StateWriter;

class SeriesWatch final : public series::SeriesSink, public wire::Collector, series::BucketTaker {
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
  struct Partition {
    Partition(const series::SeriesBoard::Settings& settings, const series::WatchRules& rules)
        : board(settings, rules) {}
    std::mutex mutex;
    series::SeriesBoard board;
  };
  struct Shard {
    Shard(const std::vector<double>& quantiles, std::size_t max) : board(quantiles, max) {}
    std::mutex mutex;
    series::QuantileBoard board;
  };
  struct Scores final : wire::Collector {
    explicit Scores(SeriesWatch& of) : watch(of) {}
    void collect(wire::MetricSink& sink) override { watch.collect_scores(sink); }
    SeriesWatch& watch;
  };
  enum class Outcome : std::uint8_t { raised, grew, joined, held_back, ended };
  struct Shown {
    series::Finding finding;
    Outcome outcome = Outcome::raised;
  };

  std::optional<std::uint64_t> bind(std::span<const LabelView> labels) override;
  void release(std::uint64_t histogram) override;
  void take(std::uint64_t histogram, double bound, std::span<const Sample> samples,
            series::Findings& findings) override;

  series::WatchTerms terms() const;
  void hand_over(series::Findings findings);
  void tick(Time now);
  std::size_t count_watched();
  void judge_one(const series::Finding& finding, Time now, wire::AlertWebhook& webhook);
  void show(const series::Finding& finding, Outcome outcome);
  void resolve_orphans(Time now, wire::AlertWebhook& webhook);
  void deliver();
  void drop_undelivered();
  void write_scores(Time now);
  void forget_old(Time now);
  void restore();
  Result<void> restore_chunk(std::string_view chunk);
  template <class Part>
  void save_part(Part& part, std::string_view kind, StateWriter& writer);
  void run();
  void collect_scores(wire::MetricSink& sink) const;

  const Settings settings_;
  const series::WatchRules rules_;
  const Clock& clock_;
  const Dependencies dependencies_;
  Directory directory_;
  Scores scores_{*this};
  std::vector<std::unique_ptr<Partition>> partitions_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::atomic<double> threshold_{1};
  std::atomic<std::uint64_t> scored_{0}, findings_dropped_{0};

  std::mutex findings_mutex_;
  std::vector<series::Finding> findings_;        // Not judged yet.
  std::map<double, std::uint64_t> scores_seen_;  // In sixteen steps, so it stays small.

  mutable std::mutex mutex_;  // Guards what follows; never held while a partition's is.
  series::AlertBudget budget_;
  std::map<std::string, Shown> shown_;         // By series_text.
  std::map<std::string, Labels> open_;         // Raised and not ended: the alert's labels.
  std::map<std::string, std::size_t> owners_;  // Open anomalies by their incident's key.
  std::map<std::string, Labels> orphans_;      // Open since before the start, not heard of since.
  std::map<std::string, Labels> written_;      // What was sent back last, to mark its end.
  std::array<std::uint64_t, 5> outcomes_{};
  std::uint64_t saves_failed_ = 0;
  std::uint64_t unread_ = 0;  // States that there was no room for at the start.

  wire::AlertWebhook undelivered_;  // The thread's own, as what follows.
  Time started_at_{}, written_at_{}, saved_at_{};

  std::mutex wake_mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace outrider::watch
