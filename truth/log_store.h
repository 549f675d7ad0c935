// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the join asks of the store underneath, and nothing more: reads of ordered keys, and batches
// of writes. PURE: an interface. truth/log/store.h is the one on disk; tests have one in memory.
//
// A read sees all that was written before it. Not thread-safe: the owner's.
//
// Errors of all calls: "log_unavailable". After one of a write, what was written is what the store
// says once it has been opened again; nothing is to be concluded from the memory of before.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "truth/write_batch.h"

namespace outrider::truth {

class LogStore {
 public:
  virtual ~LogStore() = default;

  // Calls `on_values` once with the value of each key, in the keys' order, which is ascending;
  // nothing of a key that is not there. The values live until it returns.
  using OnValues = std::function<void(std::span<const std::optional<std::string_view>> values)>;
  virtual Result<void> get(Family family, std::span<const std::string_view> keys,
                           const OnValues& on_values) const = 0;

  // For each prefix, the entries whose keys begin with it, in the keys' order, until `on_entry`
  // says false; then the next prefix. In `aliases` prefixes have the 16 bytes of a hash.
  using OnEntry =
      std::function<bool(std::size_t prefix, std::string_view key, std::string_view value)>;
  virtual Result<void> scan(Family family, std::span<const std::string_view> prefixes,
                            const OnEntry& on_entry) const = 0;

  // All changes of the batch, or none. `sync`: they are on disk when this returns. Gives how long
  // it took.
  virtual Result<Duration> write(const WriteBatch& batch, bool sync) = 0;
  // All that was written before is on disk when this returns.
  virtual Result<void> sync() = 0;

  // What lies below the slot may leave the disk: for every reader it is gone. The batch that says
  // so (meta_watermark) is on disk already.
  virtual Result<void> drop_below(std::uint64_t slot) = 0;
  // Has what lies below the watermark leave the families that have no order of time, in the
  // background; nothing while that is under way.
  virtual void compact_stale() = 0;
  // Has what was overwritten or erased in these slots, and all names that were erased, leave the
  // disk, in the background. False while a compaction of ours is under way: ask again.
  virtual bool purge(std::uint64_t first, std::uint64_t last) = 0;

  // Bytes on disk, as a directory listing has them.
  virtual std::uint64_t disk_bytes() const = 0;

  // "log_corrupt", with where it is and the way out: `what` was read and makes no sense.
  virtual Failure damaged(std::string_view what) const = 0;
};

}  // namespace outrider::truth
