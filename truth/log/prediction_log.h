// SPDX-License-Identifier: Apache-2.0
#pragma once

// The prediction log: predictions wait here, on disk, for their truth, which comes minutes to weeks
// later. SHELL: one owner thread and the RocksDB underneath.
//
//   auto log = PredictionLog::open(settings, consumer, clock);      // Result: see errors
//   log->append({.id = "0190…", .time = now, .model_name = "house-price", …});   // never waits
//   auto answers = log->join(labels, {});                           // waits until synced, or 503
//
// Threads. append() and join() may be called from any thread. The TruthConsumer is called on the
// owner thread only. collector() and the figures are thread-safe.
//
// Durability. append() puts a prediction in a bounded buffer; the owner writes the buffer at least
// each `commit_interval` (100 ms): that much a kill -9 may lose, and no more; what it lost is
// counted when the log is opened again (dropped: crash), from a counter in a mapped file. A power
// cut may lose what came since the last sync, at most `sync_interval` (1 s). A label is answered
// only after a synced write that holds its de-duplication mark, its joined row and the consumer's
// state together.
//
// Bounds. Disk: `bytes_max` (eviction begins at 7/8 of it); the oldest predictions and joined rows
// go first, whole files at a time, and a label for one of them answers `evicted` (the id tells its
// time). Age: `max_delay`; then `late`. Memory: about `memory_bytes` + buffers, independent of how
// many predictions wait. Every limit has its counter: outrider_log_dropped_total{reason}.
//
// A slow or full disk stalls the owner, never the caller: append() drops and counts, join() answers
// "log_busy" or "log_unavailable" (HTTP: 503 with Retry-After). After a failed write the store is
// closed and reopened, with back-off, until it works, and the consumer restored from disk.
//
// Errors of open(): "log_foreign" (the folder holds something else), "log_corrupt", "log_locked"
// (another process has it), "log_newer" (written by a later format), "log_unwritable". Each message
// says the folder and the way out.
//
// How it is stored (column family: key -> value; all numbers of keys big-endian, so time-ordered):
//   predictions: slot of 8 ms -> the predictions of these 8 ms, packed (appended by a merge
//   operator).
//                Written in time order, so files are moved between levels, hardly ever rewritten.
//   aliases:     128-bit hash of the alias + prediction id -> nothing; of a key (another hash) + prediction
//                id + row -> nothing. Two entries: ambiguous.
//   joined:      prediction id + row -> the joined row. It is the de-duplication mark as well.
//   marks:       hash of a foreign id + row -> time: marks of self-contained labels of others' ids.
//   early:       sequence number -> a held label.
//   meta:        format, watermarks, segment table, feature names, the consumer's state blobs.
// A *segment* is a stretch of time with about 1/64 of the byte cap; eviction drops whole segments
// (watermark first, synced, then the files below it), expiry too.

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/wire/exposition.h"
#include "truth/erased_names.h"
#include "truth/join_settings.h"
#include "truth/prediction.h"
#include "truth/scope.h"
#include "truth/shipment.h"
#include "truth/truth_consumer.h"

namespace outrider::truth {

inline constexpr std::uint64_t log_bytes_min = 16 << 20;  // Less is taken for this much.

struct LogSettings : JoinSettings {
  std::filesystem::path folder;  // Created when absent. Ours alone.
  bool keep_features = false;    // log.keep_features
  std::size_t models_max = 200;  // Model versions told apart in its metrics.

  Duration commit_interval = std::chrono::milliseconds(100);
  Duration sync_interval = std::chrono::seconds(1);
  std::size_t append_bytes_max = 16 << 20;           // Predictions that wait for the owner.
  std::size_t queued_labels_max = 200'000;           // Labels that wait for the owner.
  std::size_t queued_shipment_bytes_max = 64 << 20;  // Shipments that wait for the owner.
  std::size_t group_labels_max = 20'000;             // Labels of one synced write.
  Duration join_deadline = std::chrono::seconds(10);
  std::uint64_t memory_bytes = 96 << 20;    // Block cache and memtables together.
  std::uint64_t free_bytes_min = 64 << 20;  // Less free disk: nothing is written; it is counted.
};

struct JoinOptions {
  // A question of the agent's fan-out: other pods are asked too. Nothing is held as `early`, and
  // only what this pod's own predictions decide (joined, ambiguous, duplicate) is counted here.
  bool fan_out = false;
  // A label that another agent of a pair has acknowledged, and counts: joined, but not counted.
  bool passed = false;
  // Of each label, likewise; {}: of none.
  std::vector<bool> each_passed = {};
  // Labels that an earlier join() joined or held as passed, and that the other agent does not have:
  // counted here after all. {}: none.
  std::vector<bool> claimed = {};
  bool asked = false;  // The other agent has counted what the labels were, but for joined.
  Scope scope = {};    // Of shipped predictions: whose.
};

enum class AppendDrop : std::uint8_t {
  queue_full,   // The owner is behind: slow disk.
  disk_full,    // Less than free_bytes_min is left.
  unavailable,  // The store is closed after a failed write.
  too_large,    // One request of more than 1 MiB, encoded.
  invalid_id,   // Not a UUIDv7.
  crash,        // Found at open: accepted by a predecessor that was killed before it wrote them.
};
inline constexpr std::size_t append_drop_count = 6;
std::string_view to_string(AppendDrop reason);

class PredictionLog {
 public:
  // Opens or creates the log, restores the consumer and starts the owner thread. The consumer and
  // the clock must outlive the log.
  static Result<std::unique_ptr<PredictionLog>> open(LogSettings settings, TruthConsumer& consumer,
                                                     const Clock& clock);
  ~PredictionLog();  // close()
  PredictionLog(const PredictionLog&) = delete;
  PredictionLog& operator=(const PredictionLog&) = delete;

  // Takes a copy of the prediction. Never waits for a disk; about 0.2 us. False when it was
  // dropped; then it is counted by rows and reason.
  bool append(const PredictionView& prediction);

  // Joins labels, in their order, and waits until they are on disk. Answers in the same order.
  // Errors (nothing acknowledged, safe to send again): "log_busy", "log_unavailable".
  Result<std::vector<LabelAnswer>> join(std::vector<GroundTruth> labels, JoinOptions options = {});

  // Writes the shipment's predictions that have not come before, and waits until they are on disk.
  // Sending it again is safe, always. Errors: "log_busy", "log_unavailable" (nothing is written).
  Result<ShipmentTaken> take(DecodedShipment shipment);
  // Several, in their order, with as few waits for the disk as they need. An error: some of them
  // may be written; sending all of them again is safe.
  Result<std::vector<ShipmentTaken>> take_all(std::vector<DecodedShipment> shipments);

  // Erases all that goes by these names, and what comes later of what was made before now: rows,
  // held labels, the names themselves; synced. Answers in the same order; again is safe. The bytes
  // leave the disk within minutes, by compactions. Errors: "log_busy", "log_unavailable",
  // "erase_full" (too many marks of erased names; nothing is erased).
  Result<std::vector<Erased>> erase(std::vector<EraseWish> wishes);

  // Counts labels that never got to join(): those that could not be read.
  void count_invalid(std::size_t labels);

  // Calls `on_row` with each joined row with features whose prediction was made at `since` or
  // later, in the order of the predictions, from a snapshot; stops when it says false. The error
  // "log_unavailable".
  Result<void> for_each_joined(Time since,
                               const std::function<bool(const JoinedRow&)>& on_row) const;
  // The slots of [first, end) (codec.h), each with its rows, labelled or not, in the order of their
  // keys, as they were at one moment; stops when `on_slot` says false. The error "log_unavailable".
  using OnSlot = std::function<bool(std::uint64_t slot, const std::vector<LoggedRow>& rows)>;
  Result<void> for_each_slot(std::uint64_t first, std::uint64_t end, const OnSlot& on_slot) const;
  // The features that joined rows may have, in the order in which they were first seen. At most 10
  // 000.
  std::vector<std::string> feature_names() const;

  // Waits until all that was appended so far is written and synced, at most until the deadline.
  bool flush(Duration deadline);
  void close();  // Writes what is buffered, syncs, stops the thread. Idempotent.

  // A model version that labels may come for: its counters are there, at 0, from now on. Those of
  // labels that no model is known of are there from the start.
  void announce(std::string_view model_name, std::string_view model_version);

  // outrider_labels_total, outrider_label_delay_seconds, outrider_log_*. Valid as long as the log.
  wire::Collector& collector();

  const LogSettings& settings() const;

  struct Figures {
    std::uint64_t pending = 0;  // Predictions without a label.
    std::uint64_t stored = 0;   // Written since the log was opened.
    std::uint64_t evicted = 0;  // Fell to the byte cap without a label, since opened.
    std::uint64_t expired = 0;  // Passed max_delay without a label, since opened.
    std::uint64_t disk_bytes = 0;
    std::uint64_t early_held = 0;
    std::uint64_t early_bytes = 0;
    std::uint64_t early_refused = 0;  // Not held: there were too many. Since opened.
    std::uint64_t queued_labels = 0;
    std::uint64_t queued_bytes = 0;
    std::size_t streams = 0;  // Sidecars that ship here and have not ended.
    std::uint64_t shipped = 0, shipped_again = 0, lost = 0;  // Rows, since opened.
    // How long ago it is that everything is here of; of the slowest sidecar. 0: no sidecar.
    Duration shipping_lag{};
    std::array<std::uint64_t, append_drop_count> dropped{};
    std::array<std::uint64_t, label_result_count> labels{};
    bool available = false;
  };
  Figures figures() const;

 private:
  class Owner;
  explicit PredictionLog(std::unique_ptr<Owner> owner);
  std::unique_ptr<Owner> owner_;
};

}  // namespace outrider::truth
