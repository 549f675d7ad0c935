// SPDX-License-Identifier: Apache-2.0
#pragma once

// How far an agent has come in each partition of the topic, and who counted what. PURE.
//
// Which agent counts a record is decided by the group's committed offset, and by nothing else: an
// agent notes on its disk that it is about to count [next, claimed), commits `claimed` with its
// name beside it, and joins and counts the records once that was taken. Whoever was interrupted
// looks at what was committed: is its own name there with that offset, the records are its own to
// count, else another's (docs/decisions/0046-kafka.md).

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/core/result.h"

namespace outrider::fleet {

// What stands beside a committed offset: the last offset that each agent has committed there.
class CommitHistory {
 public:
  // Of what is not ours: empty.
  static CommitHistory parse(std::string_view metadata);
  // At most 3 000 bytes: brokers take 4 096. Who has not committed for longest goes first.
  std::string text() const;

  void set(const std::string& agent, std::int64_t offset);
  std::int64_t last(const std::string& agent) const;  // -1: never.

 private:
  std::map<std::string, std::int64_t> last_;
};

struct PartitionProgress {
  std::int64_t next = -1;     // What lies before is in the log. -1: nothing was read yet.
  std::int64_t resume = -1;   // Read on from here: from the oldest label that is held.
  std::int64_t claimed = -1;  // [next, claimed) may be this agent's to count.

  bool has_claim() const { return claimed > next && next >= 0; }
  bool operator==(const PartitionProgress&) const = default;
};

struct TopicProgress {
  std::string agent;  // This agent's name in commit histories: letters, digits and dashes.
  std::string topic;
  std::int32_t partition_count = 0;  // 0: not known yet.
  std::map<std::int32_t, PartitionProgress> partitions;

  std::string text() const;  // JSON.
  // Error "bad_progress".
  static Result<TopicProgress> parse(std::string_view text);
  bool operator==(const TopicProgress&) const = default;
};

// Where an assigned partition is read from, and which of its records this agent counts.
struct PartitionStart {
  std::int64_t from = 0;
  std::int64_t counts_from = 0;           // All from here on: nobody has.
  std::int64_t own_from = 0, own_to = 0;  // Claimed before an interruption, and taken.
  std::int64_t missed = 0;                // Records that went before anybody counted them.

  enum Kind : std::uint8_t {
    again,  // Counted by whoever read it first.
    own,    // Claimed before, and taken: to be counted.
    first,  // To be claimed, then counted.
  };
  Kind kind_of(std::int64_t offset) const {
    if (own_from <= offset && offset < own_to) return own;
    return offset >= counts_from ? first : again;
  }
  bool counts(std::int64_t offset) const { return kind_of(offset) != again; }
};
// `committed`: -1 where there is none. `low` and `high`: what the topic has.
PartitionStart start_of(const PartitionProgress& kept, const std::string& agent,
                        std::int64_t committed, const CommitHistory& history, std::int64_t low,
                        std::int64_t high);

}  // namespace outrider::fleet
