// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which series there are: fingerprint -> dense slot, compact labels and the last sample. PURE in
// all but its room: no I/O, no thread, the time is an argument. Not thread-safe.
//
//   SeriesTable table({.series_max = 250'000}, count, forget);
//   if (auto slot = table.find(key)) …
//   auto slot = table.insert(key, labels, now);            // "series_limit", "label_bytes_limit"
//
// Memory. A series takes its Record (64 B), 8 B a label, 12 to 24 B of index, and its share of the
// label texts: each text is kept once, however many series have it. Limits: series_max,
// label_bytes_max.
//
// What goes first, when the table is full and a new series comes: of up to 256 records under a hand
// that goes round, one that has ended (staleness marker) and been silent for `ended_after`; else
// the one that has been silent longest, if for `silent_after`; else nobody goes and the new series
// is refused. A series that has been silent for `idle_after` goes without being pressed. So a flood
// of new series cannot push out those that are alive.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/core/clock.h"
#include "base/core/label_view.h"
#include "base/core/result.h"
#include "base/core/series.h"
#include "base/remote_write/codec/decode.h"

namespace outrider::ingest {

// Texts, each kept once and counted. Ids are dense and used again. O(1) expected.
class SymbolTable {
 public:
  SymbolTable();
  std::uint32_t intern(std::string_view text);  // One reference more.
  void release(std::uint32_t id);               // One less; the last frees the text.
  std::string_view text(std::uint32_t id) const { return symbols_[id].text; }
  std::size_t size() const { return symbols_.size() - free_.size(); }
  std::size_t text_bytes() const { return text_bytes_; }

 private:
  struct Symbol {
    std::string text;
    std::uint32_t references = 0;
  };
  std::size_t place_of(std::string_view text, std::uint64_t hash) const;
  void grow();
  void erase_from_index(std::uint32_t id);

  std::vector<Symbol> symbols_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> index_;  // id + 1; 0: empty. Linear probing, a power of two.
  std::size_t text_bytes_ = 0;
};

// How many series all tables have together: the limit is of their sum, as fingerprints do not
// spread exactly evenly. Thread-safe.
class SeriesCount {
 public:
  bool take_one(std::size_t series_max) {
    if (count_.fetch_add(1) < series_max) return true;
    --count_;
    return false;
  }
  void give_one_back() { --count_; }
  std::size_t value() const { return count_.load(); }

 private:
  std::atomic<std::size_t> count_{0};
};

class SeriesTable {
 public:
  struct Settings {
    std::size_t series_max = 1'000'000;        // Of all tables that share a SeriesCount.
    std::size_t label_bytes_max = 256u << 20;  // Label texts, each counted once.
    Duration ended_after = std::chrono::minutes(5);
    Duration silent_after = std::chrono::minutes(15);
    Duration idle_after = std::chrono::hours(24);
    std::size_t kept_samples = 0;  // The newest of each series, besides the last.
  };

  struct Record {
    remote_write::Hash128 fingerprint;
    std::int64_t last_timestamp_ms = 0;
    std::uint64_t last_value_bits = 0;  // Of a histogram: a hash of all of it.
    std::int64_t start_timestamp_ms = 0;
    std::unique_ptr<std::uint32_t[]> symbols;  // Name and value, in turn.
    std::uint32_t metadata_tag = 0;            // A hash of the metadata last said of it; 0: none.
    std::uint32_t last_seen_s = 0;             // Wall clock at arrival, seconds since the epoch.
    std::uint16_t samples_kept = 0;            // Modulo kept_samples: where the next is kept.
    std::uint16_t last_request = 0;            // That stored the last sample, modulo 2^16.
    std::uint8_t label_count = 0;              // Labels are at most 255.
    std::uint8_t metric_kind : 4 = 0;
    bool in_use : 1 = false;
    bool has_sample : 1 = false;
    bool last_is_histogram : 1 = false;
    bool handed_on : 1 = false;           // The sink knows the slot.
    bool has_ended : 1 = false;           // The last sample was a staleness marker.
    bool last_is_remembered : 1 = false;  // In RecentSamples: its request had others of the series.
  };

  enum class Departure : std::uint8_t { idle, room };
  using Forget = std::function<void(std::uint32_t slot, Departure departure)>;

  // `forget` is told of every series before it goes. The count must outlive the table.
  SeriesTable(const Settings& settings, SeriesCount& count, Forget forget);

  std::optional<std::uint32_t> find(const remote_write::Hash128& fingerprint) const;
  // Brings what find() will read into the cache; call it some series ahead, the second one later.
  void prefetch_index(const remote_write::Hash128& fingerprint) const;
  void prefetch_record(const remote_write::Hash128& fingerprint) const;

  // Labels are sorted and not in the table. Errors: "series_limit", "label_bytes_limit".
  Result<std::uint32_t> insert(const remote_write::Hash128& fingerprint,
                               std::span<const LabelView> labels, Time now);

  Record& record(std::uint32_t slot) { return blocks_[slot / block_records][slot % block_records]; }
  const Record& record(std::uint32_t slot) const {
    return blocks_[slot / block_records][slot % block_records];
  }

  // Keeps the samples, if any are to be kept.
  void keep(std::uint32_t slot, std::span<const Sample> samples);
  std::vector<Sample> kept(std::uint32_t slot) const;  // In the order they were kept.

  Labels labels_of(std::uint32_t slot) const;
  // Views that end with the next insert() or expire().
  void view_labels(std::uint32_t slot, std::vector<LabelView>& labels) const;
  std::string_view label(std::uint32_t slot, std::string_view name) const;  // "" when absent.

  // Lets go of idle series among the next `records_max` records.
  void expire(Time now, std::size_t records_max);

  std::size_t size() const { return size_; }
  std::uint32_t slots() const { return slots_; }  // Slots are below it; not all are in use.
  std::size_t label_bytes() const { return symbols_.text_bytes(); }

 private:
  static constexpr std::size_t block_records = 1024;
  struct IndexEntry {
    std::uint32_t tag = 0;
    std::uint32_t slot_and_one = 0;  // 0: empty.
  };

  std::uint64_t mix(const remote_write::Hash128& fingerprint) const;
  std::size_t place_of(const remote_write::Hash128& fingerprint) const;
  void grow_index();
  void remove(std::uint32_t slot, Departure departure);
  bool make_room(Time now);
  std::uint32_t take_slot();

  const Settings settings_;
  SeriesCount& count_;
  const Forget forget_;
  const std::uint64_t secret_[2];  // So that nobody can choose labels that all meet in one place.
  SymbolTable symbols_;
  std::vector<std::unique_ptr<Record[]>> blocks_;
  std::vector<std::unique_ptr<Sample[]>> kept_;
  std::vector<std::uint32_t> free_;
  std::vector<IndexEntry> index_;
  std::size_t size_ = 0;
  std::uint32_t slots_ = 0;
  std::uint32_t hand_ = 0;
};

}  // namespace outrider::ingest
