// SPDX-License-Identifier: Apache-2.0
#pragma once

// The RocksDB underneath the prediction log: its families, how it is opened, bounded and thinned.
// SHELL: it reads and writes what the join says (truth/log_store.h), and decides nothing. All calls
// on the owner's thread, but for scan_joined() and scan_slots(), which read a snapshot.
//
// What lies below the watermark (a slot) is gone for every reader, whether or not its bytes are:
// the watermark is written and synced first, then whole files go (DeleteFilesInRange), and
// compactions drop the rest as they pass (a compaction filter in every family whose entries have a
// time).

#include <rocksdb/cache.h>
#include <rocksdb/compaction_filter.h>
#include <rocksdb/db.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/core/result.h"
#include "truth/codec.h"
#include "truth/kept_log.h"
#include "truth/log/prediction_log.h"
#include "truth/log_store.h"

namespace outrider::truth {

class Store final : public LogStore {
 public:
  static Result<std::unique_ptr<Store>> open(const LogSettings& settings);
  ~Store() override;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // What the log keeps of itself. Before all else, once.
  Result<KeptLog> load();

  Result<void> get(Family family, std::span<const std::string_view> keys,
                   const OnValues& on_values) const override;
  Result<void> scan(Family family, std::span<const std::string_view> prefixes,
                    const OnEntry& on_entry) const override;
  Result<Duration> write(const WriteBatch& batch, bool sync) override;
  Result<void> sync() override;
  Result<void> drop_below(std::uint64_t slot) override;
  void compact_stale() override;
  bool purge(std::uint64_t first, std::uint64_t last) override;
  std::uint64_t disk_bytes() const override;
  Failure damaged(std::string_view what) const override;

  Result<void> scan_joined(Time since, const std::function<bool(const JoinedRow&)>& on_row) const;
  // Each slot of [first, end) that has something, in order, with its rows in the order of their
  // keys, as they were at one moment; stops when `on_slot` says false.
  using OnSlot = std::function<bool(std::uint64_t slot, const std::vector<LoggedRow>& rows)>;
  Result<void> scan_slots(std::uint64_t first, std::uint64_t end, const OnSlot& on_slot) const;

  std::uint64_t memory_bytes() const;  // Memtables and block cache.

  // Long scans stop at their next row, so that the store can be closed.
  void begin_close() { closing_ = true; }

 private:
  Store() = default;
  rocksdb::ColumnFamilyHandle* family(Family family) const {
    return families_[static_cast<std::size_t>(family)];
  }
  std::uint64_t watermark() const { return watermark_.load(std::memory_order_relaxed); }
  std::vector<rocksdb::ColumnFamilyDescriptor> describe_families(const LogSettings& settings);

  std::filesystem::path folder_;
  std::unique_ptr<rocksdb::DB> db_;
  std::array<rocksdb::ColumnFamilyHandle*, family_count> families_{};
  std::atomic<std::uint64_t> watermark_ = 0;  // Read by the compaction filters.
  std::shared_ptr<rocksdb::Cache> cache_;
  std::vector<std::unique_ptr<rocksdb::CompactionFilter>> filters_;
  std::atomic<bool> closing_ = false;
  std::atomic<bool> compacting_ = false;
  std::thread compactor_;
};

// "log_unavailable", and "log_corrupt" with the way out.
Failure store_unavailable(const rocksdb::Status& status);
Failure store_corrupt(const std::filesystem::path& folder, const std::string& what);

}  // namespace outrider::truth
