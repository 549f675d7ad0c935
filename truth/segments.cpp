// SPDX-License-Identifier: Apache-2.0
#include "truth/segments.h"

#include <algorithm>
#include <utility>

#include "truth/codec.h"

namespace outrider::truth {

Segment& SegmentTable::place(std::uint64_t slot) {
  if (segments_.empty()) {
    changed_.insert(slot);
    return segments_[slot] = Segment{.last_slot = slot};
  }
  auto next = segments_.upper_bound(slot);
  if (next == segments_.begin()) {
    // Older than all: the first segment is made to begin here.
    auto first = segments_.extract(segments_.begin());
    changed_.insert({first.key(), slot});
    first.key() = slot;
    return segments_.insert(std::move(first)).position->second;
  }
  auto segment = std::prev(next);
  const bool newest = next == segments_.end();
  const bool full = segment->second.bytes >= limits_.segment_bytes ||
                    slot - segment->first >= limits_.segment_slots;
  if (newest && full && slot > segment->second.last_slot) {
    changed_.insert(slot);
    return segments_[slot] = Segment{.last_slot = slot};
  }
  changed_.insert(segment->first);
  segment->second.last_slot = std::max(segment->second.last_slot, slot);
  return segment->second;
}

void SegmentTable::add_predictions(std::uint64_t slot, std::uint64_t rows, std::uint64_t bytes) {
  Segment& segment = place(slot);
  segment.stored += rows;
  segment.bytes += bytes;
}

void SegmentTable::add_joined(std::uint64_t slot, bool local, std::uint64_t bytes) {
  Segment& segment = place(slot);
  if (local) ++segment.joined;
  segment.bytes += bytes;
}

std::optional<SegmentTable::Dropped> SegmentTable::drop_oldest() {
  if (segments_.empty()) return std::nullopt;
  const auto oldest = segments_.begin();
  const Segment& segment = oldest->second;
  const auto next = std::next(oldest);
  Dropped dropped{.start = oldest->first,
                  .watermark = next == segments_.end() ? segment.last_slot + 1 : next->first,
                  .unlabelled = segment.stored - std::min(segment.stored, segment.joined),
                  .bytes = segment.bytes};
  changed_.insert(oldest->first);
  segments_.erase(oldest);
  return dropped;
}

std::optional<SegmentTable::Dropped> SegmentTable::drop_before(std::uint64_t slot) {
  if (segments_.empty() || segments_.begin()->second.last_slot >= slot) return std::nullopt;
  return drop_oldest();
}

std::uint64_t SegmentTable::pending() const {
  std::uint64_t pending = 0;
  for (const auto& [start, segment] : segments_) {
    pending += segment.stored - std::min(segment.stored, segment.joined);
  }
  return pending;
}

std::uint64_t SegmentTable::bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [start, segment] : segments_) bytes += segment.bytes;
  return bytes;
}

std::set<std::uint64_t> SegmentTable::take_changed() {
  return std::exchange(changed_, {});
}

std::string encode_segment(const Segment& segment) {
  std::string out;
  append_varint(out, segment.last_slot);
  append_varint(out, segment.stored);
  append_varint(out, segment.joined);
  append_varint(out, segment.bytes);
  return out;
}

std::optional<Segment> decode_segment(std::string_view bytes) {
  ByteReader in(bytes);
  Segment segment;
  segment.last_slot = in.varint();
  segment.stored = in.varint();
  segment.joined = in.varint();
  segment.bytes = in.varint();
  return in.ok() ? std::optional(segment) : std::nullopt;
}

}  // namespace outrider::truth
