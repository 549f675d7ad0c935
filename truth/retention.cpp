// SPDX-License-Identifier: Apache-2.0
#include "truth/retention.h"

#include <algorithm>

namespace outrider::truth {
namespace {

SegmentTable::Limits segment_limits(const JoinSettings& settings) {
  const auto span_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(settings.max_delay).count();
  const auto slots = static_cast<std::uint64_t>(std::max<std::int64_t>(span_ms, 0)) >> slot_bits;
  return {.segment_bytes = settings.bytes_max / 64,
          .segment_slots = std::max<std::uint64_t>(slots / 64, 1)};
}

}  // namespace

Retention::Retention(const JoinSettings& settings, LogStore& store, LogReads& reads,
                     const KeptLog& kept)
    : settings_(settings),
      store_(store),
      reads_(reads),
      segments_(segment_limits(settings)),
      written_(kept.written),
      disk_bytes_(store.disk_bytes()) {
  for (const auto& [start, segment] : kept.segments) segments_.load(start, segment);
}

void Retention::add_meta(WriteBatch& batch) {
  for (const std::uint64_t start : segments_.take_changed()) {
    const auto segment = segments_.all().find(start);
    if (segment == segments_.all().end()) {
      batch.erase(Family::meta, segment_key(start));
    } else {
      batch.put(Family::meta, segment_key(start), encode_segment(segment->second));
    }
  }
  std::string written;
  append_u64_key(written, written_);
  batch.put(Family::meta, meta_written, written);
}

Result<void> Retention::drop_expired(Time now) {
  const std::uint64_t oldest = slot_of(now - settings_.max_delay);
  while (const auto dropped = segments_.drop_before(oldest)) {
    expired_ += dropped->unlabelled;
    if (auto ok = drop(*dropped); !ok) return ok;
  }
  return {};
}

Result<void> Retention::after_write(std::uint64_t bytes) {
  unchecked_bytes_ += bytes;
  if (unchecked_bytes_ <= settings_.bytes_max / 64) return {};
  return keep_below_cap();
}

// Starts at 15/16 of the cap and frees down to 7/8, so that it works seldom, and the log written
// ahead (1/16 of the cap at most) and a compaction under way still have room.
Result<void> Retention::keep_below_cap() {
  unchecked_bytes_ = 0;
  disk_bytes_ = store_.disk_bytes();
  if (disk_bytes_ <= settings_.bytes_max / 8 * 7) return {};
  const std::uint64_t wanted = disk_bytes_ - settings_.bytes_max / 4 * 3;
  const double disk_share = static_cast<double>(disk_bytes_) /
                            static_cast<double>(std::max<std::uint64_t>(segments_.bytes(), 1));
  double freed = 0;
  while (freed < static_cast<double>(wanted)) {
    const auto dropped = segments_.drop_oldest();
    if (!dropped) break;
    evicted_ += dropped->unlabelled;
    freed += static_cast<double>(dropped->bytes) * std::min(disk_share, 1.0);
    if (auto ok = drop(*dropped); !ok) return ok;
  }
  disk_bytes_ = store_.disk_bytes();
  return {};
}

Result<void> Retention::drop(const SegmentTable::Dropped& dropped) {
  WriteBatch batch;
  add_meta(batch);
  std::string watermark;
  append_u64_key(watermark, dropped.watermark);
  batch.put(Family::meta, meta_watermark, watermark);
  if (auto written = store_.write(batch, true); !written) return fail(written);
  reads_.raise_watermark(dropped.watermark);
  if (auto ok = store_.drop_below(dropped.watermark); !ok) return ok;
  stale_bytes_ += dropped.bytes;
  if (stale_bytes_ > segments_.bytes() / 4) {
    stale_bytes_ = 0;
    store_.compact_stale();
  }
  return {};
}

}  // namespace outrider::truth
