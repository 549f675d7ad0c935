// SPDX-License-Identifier: Apache-2.0
// Reading the store from one end to the other, beside the owner.
#include <spdlog/spdlog.h>

#include <cstring>
#include <map>
#include <tuple>

#include "truth/log/store.h"
#include "truth/rows.h"

namespace outrider::truth {
namespace {

std::string_view to_view(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

// The first key of a family whose keys begin with a prediction's id.
std::string first_id_of(std::uint64_t slot) {
  std::string key;
  append_u64_key(key, slot << (slot_bits + 16));
  return key;
}

std::uint64_t slot_of_joined(std::string_view key) {
  Uuid id;
  std::memcpy(id.bytes.data(), key.data(), std::min(key.size(), id.bytes.size()));
  return slot_of(id);
}

PredictionKey key_of_joined(std::string_view key) {
  PredictionKey made;
  std::memcpy(made.id.bytes.data(), key.data(), made.id.bytes.size());
  made.row = static_cast<std::uint32_t>(read_u64_key(key.substr(12)) & 0xFFFFFFFF);
  return made;
}

LoggedRow logged(StoredPrediction&& prediction) {
  const PredictionKey key = prediction.key;
  return {.key = key, .row = row_of(std::move(prediction)), .labelled = false};
}

}  // namespace

Result<void> Store::scan_joined(Time since,
                                const std::function<bool(const JoinedRow&)>& on_row) const {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  options.readahead_size = 1 << 20;
  const std::unique_ptr<rocksdb::Iterator> rows(db_->NewIterator(options, family(Family::joined)));
  for (rows->Seek(first_id_of(std::max(watermark(), slot_of(since)))); rows->Valid() && !closing_;
       rows->Next()) {
    const auto row = decode_joined(to_view(rows->key()), to_view(rows->value()));
    if (!row) return store_corrupt(folder_, "a joined row does not decode");
    if (row->predicted < since) continue;
    if (!on_row(*row)) return {};
  }
  if (!rows->status().ok()) return store_unavailable(rows->status());
  return {};
}

// Both families at one moment, slot by slot. A joined row stands for its prediction.
Result<void> Store::scan_slots(std::uint64_t first, std::uint64_t end,
                               const OnSlot& on_slot) const {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  options.readahead_size = 1 << 18;
  std::vector<rocksdb::Iterator*> made;
  const rocksdb::Status opened =
      db_->NewIterators(options, {family(Family::predictions), family(Family::joined)}, &made);
  if (!opened.ok()) return store_unavailable(opened);
  const std::unique_ptr<rocksdb::Iterator> predictions(made[0]), joined(made[1]);
  first = std::max(first, watermark());
  std::string slot_key;
  append_u64_key(slot_key, first);
  predictions->Seek(slot_key);
  joined->Seek(first_id_of(first));

  std::vector<LoggedRow> rows;
  while (!closing_) {
    std::uint64_t slot = UINT64_MAX;
    if (predictions->Valid()) slot = read_u64_key(to_view(predictions->key()));
    if (joined->Valid()) slot = std::min(slot, slot_of_joined(to_view(joined->key())));
    if (slot >= end) break;
    std::map<PredictionKey, LoggedRow> of_slot;
    if (predictions->Valid() && read_u64_key(to_view(predictions->key())) == slot) {
      const bool whole = for_each_row(
          to_view(predictions->value()), slot, [&of_slot](StoredPrediction&& prediction) {
            const PredictionKey key = prediction.key;
            of_slot.insert_or_assign(key, logged(std::move(prediction)));
          });
      if (!whole) return store_corrupt(folder_, "a prediction does not decode");
      predictions->Next();
    }
    for (; joined->Valid() && slot_of_joined(to_view(joined->key())) == slot; joined->Next()) {
      auto row = decode_joined(to_view(joined->key()), to_view(joined->value()));
      if (!row) return store_corrupt(folder_, "a joined row does not decode");
      const PredictionKey key = key_of_joined(to_view(joined->key()));
      of_slot.insert_or_assign(key, LoggedRow{key, std::move(*row), true});
    }
    rows.clear();
    for (auto& [key, row] : of_slot) rows.push_back(std::move(row));
    if (!on_slot(slot, rows)) return {};
  }
  for (const auto* one : {predictions.get(), joined.get()}) {
    if (!one->status().ok()) return store_unavailable(one->status());
  }
  if (closing_) return fail("log_unavailable", "the prediction log is being closed; ask again");
  return {};
}

bool Store::purge(std::uint64_t first, std::uint64_t last) {
  if (compacting_.exchange(true)) return false;
  if (compactor_.joinable()) compactor_.join();
  compactor_ = std::thread([this, first, last] {
    std::string slot_first, slot_end;
    append_u64_key(slot_first, first);
    append_u64_key(slot_end, last + 1);
    const std::string id_first = first_id_of(first), id_end = first_id_of(last + 1);
    const rocksdb::Slice slots[] = {slot_first, slot_end}, ids[] = {id_first, id_end};
    const std::tuple<Family, const rocksdb::Slice*, const rocksdb::Slice*> ranges[] = {
        {Family::predictions, &slots[0], &slots[1]},
        {Family::joined, &ids[0], &ids[1]},
        {Family::aliases, nullptr, nullptr},
        {Family::early, nullptr, nullptr}};
    rocksdb::CompactRangeOptions options;
    options.exclusive_manual_compaction = false;
    options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
    // All families: the log written ahead goes only where none of them needs it.
    rocksdb::Status status =
        db_->Flush(rocksdb::FlushOptions(), {families_.begin(), families_.end()});
    for (const auto& [which, begin, end] : ranges) {
      if (closing_ || !status.ok()) break;
      status = db_->CompactRange(options, family(which), begin, end);
    }
    if (!status.ok()) {
      spdlog::warn("prediction log: what was erased has not left the disk yet: {}",
                   status.ToString());
    }
    compacting_ = false;
  });
  return true;
}

}  // namespace outrider::truth
