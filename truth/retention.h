// SPDX-License-Identifier: Apache-2.0
#pragma once

// How much the log holds, and what of it goes: predictions past truth.max_delay, and the oldest
// ones above the byte cap, whole segments at a time. PURE; not thread-safe: the owner's.
//
// The watermark is raised by a synced write before anything leaves the disk.
// Errors of all calls: "log_unavailable".

#include <cstdint>

#include "truth/join_settings.h"
#include "truth/kept_log.h"
#include "truth/log_reads.h"
#include "truth/log_store.h"
#include "truth/segments.h"

namespace outrider::truth {

class Retention {
 public:
  // Settings, store and reads must outlive it.
  Retention(const JoinSettings& settings, LogStore& store, LogReads& reads, const KeptLog& kept);

  SegmentTable& segments() { return segments_; }
  const SegmentTable& segments() const { return segments_; }
  // Rows that were written, and how many of them came too late to be kept: below the watermark.
  void count_written(std::uint64_t rows) { written_ += rows; }
  void count_evicted(std::uint64_t rows) { evicted_ += rows; }

  // What changed of the segments, and the count of rows, into the batch of the same write.
  void add_meta(WriteBatch& batch);

  // Drops what was made before max_delay.
  Result<void> drop_expired(Time now);
  // Bytes that were written; the cap is looked at each 1/64 of it.
  Result<void> after_write(std::uint64_t bytes);
  Result<void> keep_below_cap();

  std::uint64_t lifetime_written() const { return written_; }
  std::uint64_t disk_bytes() const { return disk_bytes_; }  // As of the last look.
  // Rows without a label, since this object was made.
  std::uint64_t evicted() const { return evicted_; }
  std::uint64_t expired() const { return expired_; }

 private:
  Result<void> drop(const SegmentTable::Dropped& dropped);

  const JoinSettings& settings_;
  LogStore& store_;
  LogReads& reads_;
  SegmentTable segments_;
  std::uint64_t written_ = 0;
  std::uint64_t disk_bytes_ = 0;
  std::uint64_t unchecked_bytes_ = 0;  // Written since the cap was looked at.
  std::uint64_t evicted_ = 0;
  std::uint64_t expired_ = 0;
  std::uint64_t stale_bytes_ = 0;  // Below the watermark and perhaps still on disk.
};

}  // namespace outrider::truth
