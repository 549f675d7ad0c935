// SPDX-License-Identifier: Apache-2.0
#pragma once

// A producer that is made again when it failed, so that certificates and the password are read
// again. SHELL; thread-safe.
//
//   Publisher publisher(options, troubles);
//   const auto count = publisher.partitions(5s);                        // then: partition_of(key, *count)
//   const auto fates = publisher.send(messages, 10s, nullptr);

#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/kafka/producer.h"

namespace outrider::kafka {

class Publisher {
 public:
  Publisher(Options options, std::shared_ptr<Troubles> troubles)
      : options_(std::move(options)), troubles_(std::move(troubles)) {}

  // Errors: producer.h's, and "kafka_options", "kafka_password".
  Result<std::int32_t> partitions(Duration timeout);
  // The fate of each; an error where nothing could be sent.
  Result<std::vector<Fate>> send(std::span<const Message> messages, Duration timeout,
                                 const std::atomic<bool>* cancelled);

  // Each to the partition of its key; waits until all are there. Errors: those of partitions() and
  // "kafka_unavailable", "kafka_refused" (the topic never takes one of them); any may be there.
  using Keyed = std::pair<std::string_view, std::string_view>;
  Result<void> publish(std::span<const Keyed> records, Duration timeout);

  Troubles& troubles() { return *troubles_; }

 private:
  Result<std::shared_ptr<Producer>> producer();
  void forget(const std::shared_ptr<Producer>& failed);

  const Options options_;
  const std::shared_ptr<Troubles> troubles_;
  std::mutex mutex_;
  std::shared_ptr<Producer> producer_;
};

}  // namespace outrider::kafka
