// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which stretches of time the log holds, and how much of each: what eviction, expiry and the count
// of pending predictions go by. PURE.
//
// A segment begins at a slot and reaches to the next segment's beginning. The newest one takes what
// comes until it has `segment_bytes` or spans `segment_slots`; so there are about
// bytes_max/segment_bytes plus max_delay/segment_slots of them at most. Look-up is O(log n).
//
// Not thread-safe: the owner's.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace outrider::truth {

struct Segment {
  std::uint64_t last_slot = 0;  // The newest slot written.
  std::uint64_t stored = 0;     // Predictions (rows).
  std::uint64_t joined = 0;     // Of these, the ones that have their label.
  std::uint64_t bytes = 0;      // Written, before compression.
  bool operator==(const Segment&) const = default;
};

class SegmentTable {
 public:
  struct Limits {
    std::uint64_t segment_bytes = 0;
    std::uint64_t segment_slots = 0;
  };
  struct Dropped {
    std::uint64_t start = 0;
    std::uint64_t watermark = 0;  // The first slot that is not below the drop.
    std::uint64_t unlabelled = 0;
    std::uint64_t bytes = 0;
  };

  explicit SegmentTable(Limits limits) : limits_(limits) {}

  void load(std::uint64_t start, const Segment& segment) { segments_[start] = segment; }

  void add_predictions(std::uint64_t slot, std::uint64_t rows, std::uint64_t bytes);
  // `local`: the prediction was in the log, and so is no longer pending.
  void add_joined(std::uint64_t slot, bool local, std::uint64_t bytes);

  // Takes away the oldest segment; nothing when there is none.
  std::optional<Dropped> drop_oldest();
  // Takes away the oldest segment if all of it is before the slot.
  std::optional<Dropped> drop_before(std::uint64_t slot);

  std::uint64_t pending() const;
  std::uint64_t bytes() const;
  std::size_t size() const { return segments_.size(); }
  const std::map<std::uint64_t, Segment>& all() const { return segments_; }

  // The starts of segments that changed since the last call; a start that is gone was removed.
  std::set<std::uint64_t> take_changed();

 private:
  Segment& place(std::uint64_t slot);

  Limits limits_;
  std::map<std::uint64_t, Segment> segments_;
  std::set<std::uint64_t> changed_;
};

std::string encode_segment(const Segment& segment);
std::optional<Segment> decode_segment(std::string_view bytes);

}  // namespace outrider::truth
