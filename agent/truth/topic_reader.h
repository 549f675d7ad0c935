// SPDX-License-Identifier: Apache-2.0
#pragma once

// The agent as a member of the topic's consumer group: one thread that reads records, says which of
// them it counts, and joins them. SHELL.
//
//   TopicReader reader(settings, log, forward, clock);
//   collectors.push_back(&reader);
//   reader.stop();
//
// A turn: gather records (50 ms, 5 000 or 4 MiB) -> note on disk which are about to be counted
// -> commit their end with this agent's name beside it -> join them -> note that they are in the
// log. Interrupted anywhere, topic_progress.h says who counts them. An agent that loses a partition
// while a commit of its own had been taken reads those records again, outside of the group, and
// counts them: nobody else does.
//
// Fails open: brokers that are away, refuse or forget are tried again with a back-off (10 s at
// most); what this agent has stays and answers. Everything is counted (outrider_kafka_*).

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "agent/truth/topic_join.h"
#include "agent/truth/topic_progress.h"
#include "base/core/backoff.h"
#include "base/core/clock.h"
#include "base/kafka/consumer.h"
#include "base/wire/exposition.h"

namespace outrider::fleet {

class TopicReader final : public wire::Collector, private kafka::Consumer::Listener {
 public:
  struct Settings {
    kafka::Consumer::Settings consumer;
    std::filesystem::path folder;  // Of its file, kafka.json; made if it is missing.
    TopicJoin::Settings join;
    std::size_t batch_records_max = 5'000;
    std::size_t batch_bytes_max = 4 << 20;
    Duration gather = std::chrono::milliseconds(50);
  };

  // Throws std::runtime_error where the file is damaged or of another topic. The log outlives it.
  TopicReader(const Settings& settings, truth::PredictionLog& log, truth::PublishRecords forward,
              std::shared_ptr<kafka::Troubles> troubles, const Clock& clock);
  ~TopicReader() override;

  void stop();  // Idempotent.
  // Whether it has been given its partitions, of which there may be none.
  bool is_member() const;
  void collect(wire::MetricSink& sink) override;

 private:
  struct Part {
    PartitionStart start;
    CommitHistory history;
  };
  // What collect() tells; of the reader's thread otherwise.
  struct Figures {
    TopicJoin::Figures join;
    std::map<std::int32_t, std::int64_t> lag;  // Of the assigned partitions.
    bool member = false;
    std::uint64_t rebalances = 0, commits = 0, commits_refused = 0, recovered = 0, missed = 0;
  };

  Result<std::vector<kafka::Place>> assigned(std::span<const std::int32_t> partitions) override;
  void revoked(std::span<const std::int32_t> partitions) override;
  Result<void> check_partition_count();
  void look_at_orphans(std::span<const kafka::Place> committed);

  void run();
  bool ensure_consumer();
  void turn();
  std::vector<TopicBatch> gather();
  bool add(kafka::Record& record, std::vector<TopicBatch>& batches) const;
  bool claim(std::vector<TopicBatch>& batches);
  bool join(std::span<const TopicBatch> batches);
  void note_joined(std::span<const TopicBatch> batches);
  void recover(std::int32_t partition);
  void keep_house();
  bool save();
  void publish();
  void start_again();
  bool stopping() const { return stopping_.load(); }
  void wait(Duration duration);

  const Settings settings_;
  const std::shared_ptr<kafka::Troubles> troubles_;
  TopicJoin join_;
  TopicProgress progress_;
  std::map<std::int32_t, Part> parts_;  // The assigned ones.
  // Partitions of other agents, of which this one has claims that were taken.
  std::map<std::int32_t, PartitionStart> orphans_;
  std::optional<kafka::Record> carried_;  // Read, and of the next turn.
  bool revoked_ = false;                  // Since it was looked at.
  std::unique_ptr<kafka::Consumer> consumer_;
  Backoff backoff_;
  struct {
    std::chrono::steady_clock::time_point kept_house{}, saved{}, recover_at{};
  } times_;
  mutable std::mutex mutex_;
  Figures figures_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace outrider::fleet
