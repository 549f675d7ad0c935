// SPDX-License-Identifier: Apache-2.0
#pragma once

// A queue of batches on disk: what append() said yes to outlives this process, a kill -9 of it, and
// a receiver that is gone for as long as the limits allow. SHELL; thread-safe: any number of
// threads append, one takes.
//
//   Queue queue({.folder = "data/remote-write"}, clock);
//   queue.append(compressed, counts, newest_ms);
//   while (auto record = queue.front()) { if (sent(*record)) queue.release(*record); else
//   queue.keep(*record); }
//
// On disk: segments NUMBER.wal of records (record.h), named after their first record, and
// `position`: the number of the first record that is not delivered. A segment whose records are all
// delivered is removed. A start never writes on in an old segment, so that a cut record stands only
// at a segment's end.
//
// What is lost when:
// - kill -9 of the process: nothing; each append has been written to the kernel when it returns. A
//   batch whose answer was under way is sent twice, which Prometheus tolerates (same series, time
//   and value).
// - power cut: up to `sync_every` of appends, which sync() bounds.
// - a record that is cut or damaged: that record. It is skipped and counted.
// - past bytes_max: the oldest segment, counted as "queue_full". Past age_max: "too_old".
// - disk full, read-only, or a folder in use by another process: batches stay in memory up to
//   memory_bytes_max, past it the oldest goes ("memory_full"); they move to disk, in their order,
//   as soon as it takes them. Until then they do not outlive the process.
//
// Memory: one segment being read, plus memory_bytes_max while the disk fails.

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "base/remote_write/record.h"

namespace outrider::remote_write {

class Queue {
 public:
  // Replaced by tests that let the disk fail. As ::pwrite.
  using Write =
      std::function<ssize_t(int file, const void* bytes, std::size_t count, off_t offset)>;

  struct Settings {
    std::filesystem::path folder;  // Made if it is missing.
    std::uint64_t bytes_max = std::uint64_t{512} << 20;
    Duration age_max = std::chrono::hours(2);
    std::uint64_t segment_bytes = 4 << 20;
    std::uint64_t memory_bytes_max = 16 << 20;
    Duration retry_disk_every = std::chrono::seconds(1);
    Write write = {};
  };

  struct Record {
    RecordHeader header;
    std::string payload;
    std::uint64_t epoch = 0;  // Of the numbering: see release().
  };

  // Samples, by why they were lost.
  struct Dropped {
    std::uint64_t queue_full = 0, too_old = 0, memory_full = 0, too_large = 0, damaged = 0;
  };

  struct Figures {
    Counts pending;  // Queued and not released.
    std::uint64_t records_pending = 0;
    std::uint64_t disk_bytes = 0, memory_bytes = 0;
    Dropped dropped;
    std::uint64_t damaged_places = 0;  // Stretches of a segment that hold no sound record.
    std::uint64_t write_errors = 0;
    bool disk_usable = false;
  };

  // Reads what is there. Never throws for the disk's sake: see above.
  Queue(Settings settings, const Clock& clock);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  // False when the batch was dropped ("too_large": its payload is over record_payload_bytes_max).
  // An older batch may have to go for it.
  bool append(std::string_view payload, const Counts& counts, std::int64_t newest_ms);

  // The oldest batch that is neither delivered nor too old: the same one until it is released. It
  // is counted as delivered by whoever took it, even if the queue must drop it meanwhile.
  std::optional<Record> front();
  void release(const Record& record);  // Delivered or given up: never again.
  void keep(const Record& record);     // Not delivered: stays the first.

  // Brings to the disk what the kernel still holds. Call it once a second, from any thread.
  void sync();

  Figures figures() const;

 private:
  struct Segment {
    std::filesystem::path path;
    std::uint64_t bytes = 0;
    Counts pending;
    std::uint64_t records_pending = 0;
  };
  class File;

  bool open_disk();
  void read_folder();
  void read_position();
  void write_position();
  Segment scan(const std::filesystem::path& path, std::uint64_t& last_number);
  void load_memory_numbers(std::uint64_t last_number);

  void retry_disk();
  bool write_to_disk(const RecordHeader& header, std::string_view payload);
  bool begin_segment(std::uint64_t first_number);
  void evict();
  void drop_segment(std::map<std::uint64_t, Segment>::iterator segment, std::uint64_t& counter);
  void trim_memory();

  std::optional<Record> front_on_disk();
  std::optional<StoredRecord> read_next();
  void release_front();
  bool is_too_old(const RecordHeader& header) const;
  void forget(Segment& segment, const RecordHeader& header);

  const Settings settings_;
  const Clock& clock_;
  mutable std::mutex mutex_;

  struct {
    std::unique_ptr<File> lock, position_file;
    std::shared_ptr<File> tail;                 // Being written; shared with a sync() under way.
    std::map<std::uint64_t, Segment> segments;  // By first number. The last one is tail's, if any.
    std::uint64_t bytes = 0;
    std::uint64_t next_number = 1;
    std::uint64_t position = 0;  // The first number that is not delivered.
    std::uint64_t position_writes = 0;
    bool dirty = false;                             // tail was written since the last sync.
    bool folder_dirty = false;                      // A segment was begun since.
    std::vector<std::shared_ptr<File>> sync_later;  // Ended since.
    Time retry_at{};
  } disk_;

  struct {
    std::deque<Record> records;
    std::uint64_t bytes = 0;
    std::uint64_t epoch = 0;
  } memory_;

  // The reader's place: a stretch of the first segment.
  struct {
    std::uint64_t segment = 0;  // 0: none.
    std::uint64_t offset = 0;   // Of bytes[0] in the segment.
    std::string bytes;
    std::size_t at = 0;
  } window_;
  std::optional<Record> front_;  // Read, not released.
  bool taken_ = false;           // front_ is with the sender.

  Figures figures_;
};

}  // namespace outrider::remote_write
