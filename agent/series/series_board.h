// SPDX-License-Identifier: Apache-2.0
#pragma once

// One partition of the series under watch: which slot is watched as what, and each one's state.
// PURE; not thread-safe; O(1) a sample, no allocation but for a new series or a finding.
//
//   SeriesBoard board({.watched_max = 250'000}, rules);
//   board.take(incoming, directory, partition, terms, buckets, findings);
//
// Limit: watched_max. Past it a newcomer takes the place of a series that has been silent for at
// least silent_min: of 64 that are looked at, the longest silent. When none of these is, the
// newcomer is not watched (and counted), and tried again when there is room: the oldest
// acquaintances stay, as a score is worth what history it rests on.

#include <memory>
#include <vector>

#include "agent/series/finding.h"
#include "agent/series/restored_states.h"
#include "agent/series/watch_rules.h"

namespace outrider::series {

// Who takes the buckets of classic histograms, which come to several partitions.
class BucketTaker {
 public:
  virtual ~BucketTaker() = default;
  virtual std::optional<std::uint64_t> bind(std::span<const LabelView> labels) = 0;
  virtual void release(std::uint64_t histogram) = 0;
  virtual void take(std::uint64_t histogram, double bound, std::span<const Sample> samples,
                    Findings& findings) = 0;
};

class SeriesBoard {
 public:
  struct Settings {
    std::size_t watched_max = 250'000;
    Duration silent_min = std::chrono::hours(1);
  };
  // Why a series is not watched. Slots, as of now.
  struct Census {
    std::size_t watched = 0;
    std::size_t buckets = 0;
    std::size_t not_selected = 0;
    std::size_t no_room = 0;           // Turned away.
    std::uint64_t evicted = 0;         // Ever.
    std::uint64_t native_skipped = 0;  // Native histograms, ever: they are carried, not scored.
  };

  SeriesBoard(const Settings& settings, const WatchRules& rules)
      : settings_(settings), rules_(rules), restored_(settings.watched_max) {}

  void take(std::span<const IncomingSeries> series, const SeriesDirectory& directory,
            std::size_t partition, const WatchTerms& terms, BucketTaker& buckets,
            Findings& findings);
  void forget(std::uint32_t slot, BucketTaker& buckets);
  // Ends the episodes of series that fell silent. `labels_of(slot)` is asked for those.
  void tick(std::int64_t now_ms, const WatchTerms& terms, Findings& findings);

  const Census& census() const { return census_; }
  std::size_t pool_size() const { return used_; }

  // The states of `count` places of the pool from `first` on, after their number.
  void save(std::size_t first, std::size_t count, detectors::SnapshotWriter& out) const;
  // What a snapshot kept of series that were not seen since.
  RestoredStates& restored() { return restored_; }

 private:
  enum class Use : std::uint8_t { unknown, watched, bucket, not_selected, no_room };
  struct Slot {
    std::uint64_t target = 0;  // A place in the pool, or a histogram.
    double bound = 0;          // Of a bucket.
    Use use = Use::unknown;
  };
  struct Place {
    Watched watched;
    std::uint32_t slot = 0;
    bool used = false;
  };
  static constexpr std::size_t block = 256;
  using Block = std::array<Place, block>;

  void begin(std::uint32_t slot, const IncomingSeries& series, std::span<const LabelView> labels,
             BucketTaker& buckets);
  void try_again(std::uint32_t slot, const IncomingSeries& series, const SeriesDirectory& directory,
                 std::size_t partition, BucketTaker& buckets);
  std::optional<std::size_t> find_place(std::int64_t now_ms);
  std::optional<std::size_t> evict(std::int64_t now_ms);
  void end_use(std::uint32_t slot, BucketTaker& buckets);
  void end_episode(std::size_t place);
  void set_use(Slot& slot, Use use);
  std::size_t& census_of(Use use);
  Place& at(std::size_t place) { return (*pool_[place / block])[place % block]; }
  const Place& at(std::size_t place) const { return (*pool_[place / block])[place % block]; }

  const Settings settings_;
  const WatchRules& rules_;
  std::vector<Slot> slots_;
  std::vector<std::unique_ptr<Block>> pool_;  // Grows by blocks, so that nothing is ever moved.
  std::size_t used_ = 0;                      // Places that were ever used.
  std::vector<std::uint32_t> free_;
  std::size_t hand_ = 0;  // Where the last search for silent series ended.
  struct Episode {
    std::size_t place = 0;
    Fingerprint fingerprint;
    Labels labels;
    std::string quantity;
    bool gone = false;  // Its series lost the place.
  };
  std::vector<Episode> episodes_;  // At hand: looked at by tick().
  RestoredStates restored_;
  std::size_t unknown_ = 0;
  Census census_;
};

}  // namespace outrider::series
