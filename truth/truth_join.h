// SPDX-License-Identifier: Apache-2.0
#pragma once

// The owner's work on one open store: writing predictions, joining groups of labels to them,
// holding early ones, expiry and eviction. Time is an argument. Not thread-safe: the owner's thread
// only.
//
// An object lives as long as its store: after a failed write both are thrown away and made anew
// from disk, so that memory never runs ahead of it.
//
// How an id is understood, in this order: as a prediction id, with or without "_{row}"; as an
// alias or a key; as an alias with "_{row}". A prediction id that the log does not know is tried as
// an alias and a key as well, since callers use UUIDv7 too. A key is never taken apart: order_7 is
// not row 7 of order.
//
// Whose label it is, where a name has several predictions: nobody's (`ambiguous`), be it two
// aliases, two keys or one of each. A label with a timestamp is about no prediction of a key that
// was made more than a day after it, so a key that is used again later is clear until then.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "truth/append_buffer.h"
#include "truth/label_metrics.h"
#include "truth/prediction_log.h"
#include "truth/segments.h"
#include "truth/store.h"

namespace outrider::truth {

struct UuidHash {
  std::size_t operator()(const Uuid& id) const;  // The id's last 8 bytes are random enough.
};
struct KeyHash {
  std::size_t operator()(const PredictionKey& key) const { return UuidHash{}(key.id) + key.row; }
};

// One label of a group.
struct JoinItem {
  const GroundTruth* label = nullptr;
  bool fan_out = false;
  Time arrived{};
  std::optional<std::uint64_t> held;  // Its number among the held ones.
  bool last_chance = false;           // Held, and its time is over.
  bool passed = false;                // See JoinOptions.
  const Scope* scope = nullptr;       // Null: any workload's.
};

// What an id may mean.
struct IdReading {
  std::optional<PredictionKey> key;
  bool row_named = false;
  std::optional<std::pair<std::string_view, std::uint32_t>>
      suffixed;  // "{alias}_{row}" taken apart.
};
IdReading read_id(const GroundTruth& label, Time now);

class TruthJoin {
 public:
  TruthJoin(const LogSettings& settings, std::unique_ptr<Store> store, Store::Kept kept,
            TruthConsumer& consumer, LabelMetrics& metrics, Time now);

  // Writes the buffered predictions, without waiting for the disk. Gives how many rows were
  // written.
  Result<std::uint64_t> write_predictions(const AppendBuffer& buffer);

  // Writes the shipments' predictions that have not come before: one synced write. Answers in the
  // same order.
  Result<std::vector<ShipmentTaken>> take(std::span<const DecodedShipment* const> shipments,
                                          Time now);

  // Joins the items, in order, and the held labels whose prediction has come: one synced write.
  Result<std::vector<LabelAnswer>> join(std::span<const JoinItem> items, Time now);

  // Gives up held labels whose time is over; drops what is expired or above the byte cap.
  Result<void> maintain(Time now);
  Result<void> sync() { return store_->sync(); }

  bool has_ready_labels() const { return !ready_.empty(); }
  std::uint64_t pending() const { return segments_.pending(); }
  std::size_t held() const { return held_.size(); }
  std::size_t held_bytes() const { return held_bytes_; }
  std::uint64_t not_held() const {
    return not_held_;
  }  // For want of room, since this object was made.
  std::uint64_t lifetime_written() const { return written_; }
  std::uint64_t disk_bytes() const { return disk_bytes_; }
  // Since this object was made: the owner sums them up.
  std::uint64_t evicted() const { return evicted_; }
  std::uint64_t expired() const { return expired_; }
  const std::vector<std::string>& feature_names() const { return feature_names_; }
  const std::shared_ptr<Store>& store() const { return store_; }
  const StreamTable& streams() const { return streams_; }

 private:
  enum class Standing : std::uint8_t { live, late, evicted };
  struct Work;
  struct Group;

  std::uint64_t put_predictions(const AppendBuffer& buffer, Group& group);
  Result<void> after_predictions(const AppendBuffer& buffer);
  bool is_over(const HeldLabel& held, Time now) const;
  static void keep_to_scope(const JoinItem& item, Work& work);
  Standing standing_of(const Uuid& id, Time now) const;
  Result<void> join_chunk(std::span<const JoinItem> items, Time now, Group& group);
  Result<void> look_up_own(std::span<const JoinItem> items, std::vector<Work>& work, Time now);
  void choose_named(const GroundTruth& label, std::span<const NamedPrediction> by_alias,
                    std::span<const NamedPrediction> by_key, Work& work) const;
  Result<void> look_up_names(std::span<const JoinItem> items, std::vector<Work>& work, Time now);
  LabelAnswer decide(const JoinItem& item, Work& work, Time now, Group& group);
  LabelAnswer decide_brought(const JoinItem& item, Work& work, Time now, Group& group);
  LabelAnswer decide_missing(const JoinItem& item, const Work& work, Time now, Group& group);
  LabelAnswer accept(const JoinItem& item, const PredictionKey& key, std::uint32_t rows,
                     JoinedRow row, bool local, Group& group);
  void hold(const JoinItem& item, Group& group);
  void count(const JoinItem& item, const LabelAnswer& answer, const Work& work, bool owned);
  void remember_features(const JoinedRow& row, Group& group);
  Result<void> commit(Group& group);
  void add_meta(Group& group);

  static std::size_t bytes_of(const HeldLabel& held);
  void index_held(std::uint64_t number, const HeldLabel& held);
  void forget_held(std::uint64_t number, Group& group);
  void match_held(const AppendBuffer& buffer);

  Result<void> drop_expired(Time now);
  Result<void> keep_below_cap();
  Result<void> drop(const SegmentTable::Dropped& dropped);

  const LogSettings& settings_;
  std::shared_ptr<Store> store_;
  SegmentTable segments_;
  TruthConsumer& consumer_;
  LabelMetrics& metrics_;

  std::vector<std::string> feature_names_;
  std::unordered_set<std::string> known_features_;
  std::uint64_t written_ = 0;

  // Held labels by number, and which numbers wait for an id or the hash of an alias or a key.
  std::map<std::uint64_t, HeldLabel> held_;
  std::unordered_multimap<Uuid, std::uint64_t, UuidHash> waiting_;
  std::uint64_t next_held_ = 0;
  std::size_t held_bytes_ = 0;
  std::uint64_t not_held_ = 0;
  std::set<std::uint64_t> ready_;  // Their prediction has come.

  StreamTable streams_;
  std::optional<Time> complete_until_;  // Of all streams, as of the last look.

  std::uint64_t disk_bytes_ = 0;
  std::uint64_t unchecked_bytes_ = 0;  // Written since the cap was looked at.
  std::uint64_t evicted_ = 0;
  std::uint64_t expired_ = 0;
  std::uint64_t stale_bytes_ = 0;  // Below the watermark and perhaps still on disk.
};

}  // namespace outrider::truth
