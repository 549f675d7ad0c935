// SPDX-License-Identifier: Apache-2.0
#pragma once

// The RocksDB underneath the prediction log: its families, how it is opened, bounded and thinned.
// SHELL. All calls on the owner's thread, but for scan_joined(), which reads a snapshot.
//
// What lies below the watermark (a slot) is gone for every reader, whether or not its bytes are:
// the watermark is written and synced first, then whole files go (DeleteFilesInRange), and
// compactions drop the rest as they pass (a compaction filter in every family whose entries have a
// time).

#include <rocksdb/cache.h>
#include <rocksdb/compaction_filter.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

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
#include "truth/append_buffer.h"
#include "truth/codec.h"
#include "truth/prediction_log.h"
#include "truth/scope.h"
#include "truth/segments.h"
#include "truth/streams.h"

namespace outrider::truth {

enum class Family : std::uint8_t { meta, predictions, aliases, joined, marks, early };
inline constexpr std::size_t family_count = 6;

// What a key has in the log.
struct LookedUp {
  std::optional<StoredPrediction> prediction;
  std::uint32_t rows = 0;   // Of its request; 0: no such request.
  bool joined = false;      // It has its label already,
  std::string joined_name;  // of this model,
  std::string joined_version;
};

class Store {
 public:
  static Result<std::unique_ptr<Store>> open(const LogSettings& settings);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // What meta held when the store was opened.
  struct Kept {
    std::map<std::uint64_t, Segment> segments;
    std::vector<std::string> feature_names;
    std::vector<StateBlob> state;
    std::vector<std::pair<std::uint64_t, HeldLabel>> held;
    std::vector<std::pair<Uuid, Stream>> streams;
    std::uint64_t written = 0;  // Rows, over the log's whole life.
  };
  Result<Kept> load();

  rocksdb::ColumnFamilyHandle* family(Family family) const {
    return families_[static_cast<std::size_t>(family)];
  }
  Result<void> write(rocksdb::WriteBatch& batch, bool sync);
  Result<void> sync();

  std::uint64_t watermark() const { return watermark_.load(std::memory_order_relaxed); }
  // Raises the watermark, durably, and frees what lies below.
  Result<void> raise_watermark(std::uint64_t slot, rocksdb::WriteBatch& batch);

  // Looks up many keys at once; the answers are in the keys' order. Errors: "log_unavailable".
  Result<std::vector<LookedUp>> look_up(std::span<const PredictionKey> keys) const;
  // For each hash, the two oldest predictions that go by it and are not below the watermark; of the
  // scope where there is one (null: any). Of a name of many workloads the oldest 64 are looked at.
  Result<std::vector<std::vector<NamedPrediction>>> find_named(
      std::span<const Uuid> hashes, std::span<const Scope* const> scopes) const;
  Result<bool> has_mark(const std::string& key) const;

  Result<void> scan_joined(Time since, const std::function<bool(const JoinedRow&)>& on_row) const;

  // Bytes of the folder, as a directory listing has them.
  std::uint64_t disk_bytes() const;
  std::uint64_t memory_bytes() const;  // Memtables and block cache.

  // Has the families of random keys rewritten without what lies below the watermark, in the
  // background; does nothing while that is under way.
  void compact_stale();

  // Long scans stop at their next row, so that the store can be closed.
  void begin_close() { closing_ = true; }

 private:
  Store() = default;
  using Order = std::vector<std::size_t>;  // Indexes of keys, sorted by key.
  Result<void> look_up_joined(std::span<const PredictionKey> keys, const Order& order,
                              std::vector<LookedUp>& found) const;
  Result<void> look_up_predictions(std::span<const PredictionKey> keys, const Order& order,
                                   std::vector<LookedUp>& found) const;
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

// Keys of meta.
inline constexpr std::string_view meta_watermark = "watermark";
inline constexpr std::string_view meta_written = "written";
inline constexpr std::string_view meta_segment_prefix = "segment/";
inline constexpr std::string_view meta_feature_prefix = "feature/";
inline constexpr std::string_view meta_state_prefix = "state/";
inline constexpr std::string_view meta_stream_prefix = "stream/";
std::string segment_key(std::uint64_t start);
std::string stream_key(const Uuid& id);
std::string feature_key(std::uint32_t index);

}  // namespace outrider::truth
