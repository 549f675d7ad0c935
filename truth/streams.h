// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is known of the sidecars that ship their predictions here: how far each has come, what of it
// was lost on the way, and up to when nothing more can come. PURE.
//
// A stream is the queue of one sidecar for one agent, with an id of its own. Its predictions are
// numbered by rows, from 0, in their order: a record of `rows` rows at `sequence` is the rows
// sequence … sequence + rows - 1. Shipping is at least once and in order, so what lies below the
// next number has been taken already, and a number that is left out has been lost.
//
//   const auto taken = table.take(id, sequence, rows);    // .fresh: write it; .lost: rows left out
//   table.note(id, about, now);                           // once a shipment
//
// Not thread-safe: the owner's. take() and note() are O(log streams), complete_until() O(streams).

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/core/clock.h"
#include "truth/prediction.h"
#include "truth/scope.h"

namespace outrider::truth {

// What a shipment says of its sender.
struct Sender {
  Workload workload;
  std::string pod;
  // All predictions that were answered before this time, of the receiver's clock, are shipped.
  Time complete_until{};
  bool closed = false;  // The sidecar ended in order, and everything is here.
  // Only a part of its rows come here, the others to other agents: what is left out is no loss.
  bool partial = false;
};

// Of a stream that has said how far it is, and shipped nothing yet.
inline constexpr std::uint64_t unknown_next = UINT64_MAX;

struct Stream {
  Sender sender;
  std::uint64_t next = unknown_next;  // The first number that has not come.
  std::uint64_t lost = 0;             // Rows left out, over the stream's whole life.
  Time seen{};                        // Its last shipment.
  bool operator==(const Stream& other) const;
};

class StreamTable {
 public:
  explicit StreamTable(std::size_t streams_max = 50'000) : streams_max_(streams_max) {}

  struct Taken {
    bool fresh = false;      // Not seen before: write it.
    std::uint64_t lost = 0;  // Rows left out before it.
  };
  Taken take(const Uuid& id, std::uint64_t sequence, std::uint64_t rows);
  void note(const Uuid& id, const Sender& sender, Time now);

  // Streams of before are waited for as if they had been seen now: it was the agent that was away.
  void load(const Uuid& id, Stream stream, Time now);
  // Forgets those that were silent for so long. Gives their ids.
  std::vector<Uuid> forget_before(Time seen);

  // Up to when nothing more can come from anybody who is there: the least of all streams that are
  // neither closed nor silent for `gone_after`. Nothing where there is no stream.
  std::optional<Time> complete_until(Time now, Duration gone_after) const;

  const std::map<Uuid, Stream>& all() const { return streams_; }

 private:
  const std::size_t streams_max_;
  std::map<Uuid, Stream> streams_;
};

std::string encode_stream(const Stream& stream);
std::optional<Stream> decode_stream(std::string_view bytes);

}  // namespace outrider::truth
