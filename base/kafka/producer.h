// SPDX-License-Identifier: Apache-2.0
#pragma once

// Messages to a topic, each acknowledged by all replicas in sync before it counts as taken. SHELL
// over librdkafka; thread-safe, one batch at a time.
//
//   Producer producer(options, troubles);
//   const auto count = producer.partitions(5s);
//   const auto fates = producer.send(messages, 10s, nullptr);
//
// An idempotent producer: of one partition what is taken is a prefix of what was sent, in its
// order. A batch that was not taken whole may be sent again, to a producer made anew (which reads
// certificates and the password again): receivers tell repetitions apart.

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/kafka/options.h"
#include "base/kafka/trouble.h"

namespace outrider::kafka {

struct Message {
  std::int32_t partition = 0;
  std::string key, value;
};

enum class Fate : std::uint8_t {
  waiting,
  taken,
  refused,  // This one will never be taken: too large for the topic, or not valid for it.
  failed,   // Perhaps written, perhaps not.
};

class Producer {
 public:
  // Nothing is asked of the brokers yet: a cluster that is away is no error here.
  static Result<std::unique_ptr<Producer>> open(const Options& options,
                                                std::shared_ptr<Troubles> troubles);
  ~Producer();
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  // Of the topic; asked until it was answered, then remembered. Errors: "kafka_unavailable",
  // "kafka_topic_missing".
  Result<std::int32_t> partitions(Duration timeout);

  // Gives the fate of each; none is `waiting`. Past the timeout, or when `cancelled` (may be null)
  // becomes true, what was not taken is failed. Without messages it hears what the brokers have to
  // say: once a second or so, where nothing is sent.
  std::vector<Fate> send(std::span<const Message> messages, Duration timeout,
                         const std::atomic<bool>* cancelled);

 private:
  class Inside;
  explicit Producer(std::unique_ptr<Inside> inside);
  std::unique_ptr<Inside> inside_;
};

}  // namespace outrider::kafka
