// SPDX-License-Identifier: Apache-2.0
#pragma once

// Records of the topic into the prediction log: predictions are kept, labels joined, and labels
// whose prediction has not come are held here until it does. SHELL, of the reader's thread alone.
//
//   TopicJoin join(settings, log, forward, clock);
//   if (auto ok = join.take(batches); !ok) …;            // again with the same ones: safe
//   join.give_up_old();                                  // once a second
//   progress.resume = join.first_held(partition).value_or(progress.next);
//
// A join happens at the later one of its two records, and is counted where that one is: so a batch
// says of all its records whether this agent counts them (topic_progress.h). What is not counted is
// joined all the same, so that a label that comes again is a duplicate here too.
//
// What is held is not on disk: the topic has it, and is read again from first_held().

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/kafka/consumer.h"
#include "truth/api/topic_labels.h"
#include "truth/log/prediction_log.h"
#include "truth/topic_record.h"

namespace outrider::fleet {

struct TopicBatch {
  std::int32_t partition = 0;
  bool counts = false;
  std::vector<kafka::Record> records;  // In the order of their offsets.
};

class TopicJoin {
 public:
  struct Settings {
    Duration early = std::chrono::minutes(10);  // So long a label waits for its prediction.
    std::size_t held_max = 100'000;             // Past it a label is unknown at once.
  };
  // Of records. `first` were counted here, `again` were not.
  struct Figures {
    std::uint64_t predictions_first = 0, predictions_again = 0;
    std::uint64_t labels_first = 0, labels_again = 0;
    std::uint64_t invalid = 0, newer = 0;
    std::uint64_t forwarded = 0, not_held = 0;
    std::size_t held = 0;
  };

  // `forward` sends labels to the partition that their name belongs to.
  TopicJoin(const Settings& settings, truth::PredictionLog& log, truth::PublishRecords forward,
            const Clock& clock);

  // `partition_count` is the topic's. Errors: the log's or the forwarding's; nothing is lost.
  Result<void> take(std::span<const TopicBatch> batches, std::int32_t partition_count);
  // Labels that were held for long enough: unknown, and counted.
  Result<void> give_up_old();
  void forget(std::int32_t partition);  // It is another agent's now.
  std::optional<std::int64_t> first_held(std::int32_t partition) const;
  const Figures& figures() const { return figures_; }

 private:
  using Place = std::pair<std::int32_t, std::int64_t>;  // Partition, offset.
  struct Label {
    truth::TopicLabel one;
    Place place;
    Time since{};  // When it began to wait.
    bool counts = false;
    bool held = false;  // Is among held_.
  };
  struct Work;
  struct IdHash {
    std::size_t operator()(const truth::Uuid& id) const;
  };

  void read(const TopicBatch& batch, std::int32_t partition_count, Time now, Work& work) const;
  void add_shipment(truth::DecodedShipment shipment, std::int32_t partition, Work& work) const;
  void match(const TopicBatch& batch, const Work& work, std::vector<Label>& labels) const;
  Result<void> join(std::vector<Label>& labels, bool last, Work& work);
  void settle(const Label& label, const truth::LabelAnswer& answer, Work& work) const;
  void hold(Label label);
  void let_go(const Place& place);

  const Settings settings_;
  truth::PredictionLog& log_;
  const truth::PublishRecords forward_;
  const Clock& clock_;
  std::map<Place, Label> held_;
  std::unordered_multimap<truth::Uuid, Place, IdHash> waiting_;  // By what they wait for.
  Figures figures_;
  Time told_{};  // Of a record that was passed over.
};

}  // namespace outrider::fleet
