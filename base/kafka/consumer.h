// SPDX-License-Identifier: Apache-2.0
#pragma once

// One member of a consumer group, which says itself where it reads on and what it commits. SHELL
// over librdkafka. Not thread-safe: the calling thread is the one that everything happens on, the
// listener's calls too.
//
//   auto consumer = Consumer::open(settings, listener, troubles);
//   while (…) { if (auto record = consumer->poll(100ms)) …; consumer->commit(places); }
//
// Eager rebalancing: what a member had is revoked before it joins again, and revoked() is called in
// poll() alone. So between two polls a commit is either of the assignment that poll() knew, or is
// refused by the group's coordinator.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/kafka/options.h"
#include "base/kafka/trouble.h"

namespace outrider::kafka {

struct Record {
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  Time time{};  // Its timestamp in the topic.
  std::string key, value;
};

// A partition and an offset of it, with what was committed beside it.
struct Place {
  std::int32_t partition = 0;
  std::int64_t offset = -1;  // -1: none.
  std::string metadata = {};
};

class Consumer {
 public:
  struct Settings {
    Options options;
    std::string group;
    std::string instance;  // Static membership: the name that a restart keeps. "": none.
    Duration session_timeout = std::chrono::seconds(45);

    // Options::add_to, and those of a member of a group.
    void add_to(config::OptionTable& table, const std::string& prefix, const std::string& note);
  };

  class Listener {
   public:
    virtual ~Listener() = default;
    // Gives where each is read from. An error: none is read, and broken() is true from then on.
    virtual Result<std::vector<Place>> assigned(std::span<const std::int32_t> partitions) = 0;
    virtual void revoked(std::span<const std::int32_t> partitions) = 0;
  };

  // The listener outlives the consumer. Joins the group unless it is "".
  static Result<std::unique_ptr<Consumer>> open(const Settings& settings, Listener* listener,
                                                std::shared_ptr<Troubles> troubles);
  ~Consumer();  // A static member does not leave the group: it may be back soon.
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  // Reads these partitions from there on, outside of any group's assignment.
  Result<void> read(std::span<const Place> from);

  // The next record, or nothing until the timeout.
  std::optional<Record> poll(Duration timeout);
  // It cannot go on: make another one.
  bool broken() const;

  // Of each place whether the group has it now. False: no, or nobody knows.
  std::vector<bool> commit(std::span<const Place> places);
  // What the group has committed. Error "kafka_unavailable".
  Result<std::vector<Place>> committed(std::span<const std::int32_t> partitions, Duration timeout);
  struct Bounds {
    std::int64_t low = 0, high = 0;  // The first offset that is there, and the one after the last.
  };
  Result<Bounds> bounds(std::int32_t partition, Duration timeout);
  // As last heard of with records: no question.
  std::optional<Bounds> known_bounds(std::int32_t partition) const;
  // Errors: "kafka_unavailable", "kafka_topic_missing".
  Result<std::int32_t> partitions(Duration timeout);

 private:
  class Inside;
  explicit Consumer(std::unique_ptr<Inside> inside);
  std::unique_ptr<Inside> inside_;
};

}  // namespace outrider::kafka
