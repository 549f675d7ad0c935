// SPDX-License-Identifier: Apache-2.0
#pragma once

// What becomes of predictions and labels: writing predictions, joining groups of labels to them,
// holding early ones, erasing, expiry and eviction. PURE: it decides, over the reads and write
// batches of a store (log_store.h); time is an argument. Not thread-safe: the owner's thread only.
//
//   KeptLog kept = …;                                       // What the store holds of before.
//   TruthJoin join(settings, store, std::move(kept), consumer, metrics, now);
//   join.write_predictions(buffer);
//   auto answers = join.join(items, now);                   // One synced write.
//
// An object lives as long as its store is good: after a failed write it is thrown away and made
// anew from what the store holds, so that memory never runs ahead of it.
//
// Whose label it is, where a name has several predictions: nobody's (`ambiguous`), be it two
// aliases, two keys or one of each. A label with a timestamp is about no prediction of a key that
// was made more than a day after it, so a key that is used again later is clear until then. How an
// id is understood: id_reading.h.

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "truth/append_buffer.h"
#include "truth/erased_names.h"
#include "truth/feature_list.h"
#include "truth/held_labels.h"
#include "truth/id_reading.h"
#include "truth/join_settings.h"
#include "truth/kept_log.h"
#include "truth/label_metrics.h"
#include "truth/log_reads.h"
#include "truth/log_store.h"
#include "truth/retention.h"
#include "truth/shipment.h"
#include "truth/streams.h"
#include "truth/truth_consumer.h"

namespace outrider::truth {

// One label of a group.
struct JoinItem {
  const GroundTruth* label = nullptr;
  bool fan_out = false;
  Time arrived{};
  std::optional<std::uint64_t> held;  // Its number among the held ones.
  bool last_chance = false;           // Held, and its time is over.
  bool passed = false;                // Another agent of a pair counts it.
  bool claimed = false;               // It was joined as passed, and is counted here after all.
  bool asked = false;                 // The other agent has counted what it is, but for joined.
  const Scope* scope = nullptr;       // Null: any workload's.
};

class TruthJoin {
 public:
  // All that is referred to must outlive it.
  TruthJoin(const JoinSettings& settings, LogStore& store, KeptLog kept, TruthConsumer& consumer,
            LabelMetrics& metrics, Time now);
  TruthJoin(const TruthJoin&) = delete;
  TruthJoin& operator=(const TruthJoin&) = delete;

  // Writes the buffered predictions, without waiting for the disk. Gives how many rows were
  // written.
  Result<std::uint64_t> write_predictions(const AppendBuffer& buffer);

  // Writes the shipments' predictions that have not come before: one synced write. Answers in the
  // same order.
  Result<std::vector<ShipmentTaken>> take(std::span<const DecodedShipment* const> shipments,
                                          Time now);

  // Joins the items, in order, and the held labels whose prediction has come: one synced write.
  Result<std::vector<LabelAnswer>> join(std::span<const JoinItem> items, Time now);

  // Erases what goes by these names, here and of what comes later: one synced write. Answers in the
  // same order. Error "erase_full": nothing is changed.
  Result<std::vector<Erased>> erase(std::span<const EraseWish> wishes, Time now);

  // Gives up held labels whose time is over; drops what is expired or above the byte cap.
  Result<void> maintain(Time now);

  bool has_ready_labels() const { return held_.has_ready(); }
  std::uint64_t pending() const { return retention_.segments().pending(); }
  const HeldLabels& held() const { return held_; }
  // Labels that were not held, for want of room; since this object was made.
  std::uint64_t not_held() const { return not_held_; }
  const Retention& retention() const { return retention_; }
  const std::vector<std::string>& feature_names() const { return features_.names(); }
  const StreamTable& streams() const { return streams_; }

 private:
  enum class Standing : std::uint8_t { live, late, evicted };
  struct Work;
  struct Group;
  class Eraser;

  std::uint64_t put_predictions(const AppendBuffer& buffer, Group& group);
  Result<void> after_predictions(const AppendBuffer& buffer);
  bool is_over(const HeldLabel& held, Time now) const;
  static void keep_to_scope(const JoinItem& item, Work& work);
  Standing standing_of(const Uuid& id, Time now) const;
  Result<void> join_chunk(std::span<const JoinItem> items, Time now, Group& group);
  Result<void> look_up_own(std::span<const JoinItem> items, std::vector<Work>& work, Time now);
  static void choose_named(const GroundTruth& label, std::span<const NamedPrediction> by_alias,
                           std::span<const NamedPrediction> by_key, Work& work);
  Result<void> look_up_names(std::span<const JoinItem> items, std::vector<Work>& work, Time now);
  LabelAnswer decide(const JoinItem& item, Work& work, Time now, Group& group);
  LabelAnswer decide_brought(const JoinItem& item, Work& work, Time now, Group& group);
  LabelAnswer decide_missing(const JoinItem& item, const Work& work, Time now, Group& group);
  LabelAnswer decide_held(const JoinItem& item, std::uint64_t number, Group& group);
  LabelAnswer decide_joined(const JoinItem& item, const Work& work, Group& group);
  LabelAnswer accept(const JoinItem& item, const PredictionKey& key, std::uint32_t rows,
                     JoinedRow row, bool local, Group& group);
  void count_outcome(const JoinedRow& row, bool is_timed);  // With its delay, or without.
  void count(const JoinItem& item, const LabelAnswer& answer, const Work& work, bool owned);
  Result<void> commit(Group& group);
  Result<void> forget_streams(Time now);
  Result<void> forget_erased(Time now);

  const JoinSettings& settings_;
  LogStore& store_;
  LogReads reads_;
  Retention retention_;
  TruthConsumer& consumer_;
  LabelMetrics& metrics_;
  FeatureList features_;
  HeldLabels held_;
  std::uint64_t not_held_ = 0;
  ErasedNames erased_names_;
  std::set<std::uint64_t> purge_;  // Slots whose erased bytes are still on disk.
  StreamTable streams_;
  std::optional<Time> complete_until_;  // Of all streams, as of the last look.
};

}  // namespace outrider::truth
