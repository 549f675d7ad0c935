// SPDX-License-Identifier: Apache-2.0
#include "agent/ingest/series_table.h"

#include <algorithm>
#include <random>
#include <string>

namespace outrider::ingest {
namespace {

constexpr std::size_t index_begin = 1024;
constexpr std::size_t records_looked_at = 256;  // For one that makes room.

std::uint64_t random_word() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

std::uint32_t seconds_of(Time time) {
  return static_cast<std::uint32_t>(
      std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count());
}

std::int64_t silence_of(const SeriesTable::Record& record, Time now) {
  return std::int64_t{seconds_of(now)} - std::int64_t{record.last_seen_s};
}

bool at_least(std::int64_t seconds, Duration duration) {
  return std::chrono::seconds(seconds) >= duration;
}

}  // namespace

SymbolTable::SymbolTable() : index_(index_begin) {}

std::size_t SymbolTable::place_of(std::string_view text, std::uint64_t hash) const {
  std::size_t place = hash & (index_.size() - 1);
  while (index_[place] != 0 && symbols_[index_[place] - 1].text != text) {
    place = (place + 1) & (index_.size() - 1);
  }
  return place;
}

std::uint32_t SymbolTable::intern(std::string_view text) {
  const std::size_t place = place_of(text, remote_write::fingerprint_of(text).low);
  if (index_[place] != 0) {
    ++symbols_[index_[place] - 1].references;
    return index_[place] - 1;
  }
  std::uint32_t id = static_cast<std::uint32_t>(symbols_.size());
  if (free_.empty()) {
    symbols_.emplace_back();
  } else {
    id = free_.back();
    free_.pop_back();
  }
  symbols_[id].text = text;
  symbols_[id].references = 1;
  text_bytes_ += text.size();
  index_[place] = id + 1;
  if (size() * 4 > index_.size() * 3) grow();
  return id;
}

void SymbolTable::release(std::uint32_t id) {
  if (--symbols_[id].references > 0) return;
  erase_from_index(id);
  text_bytes_ -= symbols_[id].text.size();
  symbols_[id].text = std::string();
  free_.push_back(id);
}

void SymbolTable::grow() {
  std::vector<std::uint32_t> old(index_.size() * 2);
  old.swap(index_);
  for (const std::uint32_t entry : old) {
    if (entry == 0) continue;
    std::size_t place =
        remote_write::fingerprint_of(symbols_[entry - 1].text).low & (index_.size() - 1);
    while (index_[place] != 0) place = (place + 1) & (index_.size() - 1);
    index_[place] = entry;
  }
}

// Linear probing without tombstones: those behind the hole that may fill it move up.
void SymbolTable::erase_from_index(std::uint32_t id) {
  const std::size_t mask = index_.size() - 1;
  std::size_t hole =
      place_of(symbols_[id].text, remote_write::fingerprint_of(symbols_[id].text).low);
  for (std::size_t at = (hole + 1) & mask; index_[at] != 0; at = (at + 1) & mask) {
    const std::size_t home = remote_write::fingerprint_of(symbols_[index_[at] - 1].text).low & mask;
    if (((at - home) & mask) >= ((at - hole) & mask)) {
      index_[hole] = index_[at];
      hole = at;
    }
  }
  index_[hole] = 0;
}

SeriesTable::SeriesTable(const Settings& settings, SeriesCount& count, Forget forget)
    : settings_(settings),
      count_(count),
      forget_(std::move(forget)),
      secret_{random_word(), random_word()},
      index_(index_begin) {}

std::uint64_t SeriesTable::mix(const remote_write::Hash128& fingerprint) const {
  __extension__ using Wide = unsigned __int128;
  const Wide product =
      static_cast<Wide>(fingerprint.low ^ secret_[0]) * ((fingerprint.high ^ secret_[1]) | 1);
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// Where the fingerprint stands, or the empty place where it would.
std::size_t SeriesTable::place_of(const remote_write::Hash128& fingerprint) const {
  const std::uint64_t mixed = mix(fingerprint);
  const auto tag = static_cast<std::uint32_t>(mixed >> 32);
  const std::size_t mask = index_.size() - 1;
  for (std::size_t place = mixed & mask;; place = (place + 1) & mask) {
    const IndexEntry& entry = index_[place];
    if (entry.slot_and_one == 0) return place;
    if (entry.tag == tag && record(entry.slot_and_one - 1).fingerprint == fingerprint) return place;
  }
}

std::optional<std::uint32_t> SeriesTable::find(const remote_write::Hash128& fingerprint) const {
  const IndexEntry& entry = index_[place_of(fingerprint)];
  if (entry.slot_and_one == 0) return std::nullopt;
  return entry.slot_and_one - 1;
}

void SeriesTable::prefetch_index(const remote_write::Hash128& fingerprint) const {
  __builtin_prefetch(&index_[mix(fingerprint) & (index_.size() - 1)]);
}

void SeriesTable::prefetch_record(const remote_write::Hash128& fingerprint) const {
  const IndexEntry& entry = index_[mix(fingerprint) & (index_.size() - 1)];
  if (entry.slot_and_one != 0) __builtin_prefetch(&record(entry.slot_and_one - 1), 1);
}

void SeriesTable::grow_index() {
  std::vector<IndexEntry> old(index_.size() * 2);
  old.swap(index_);
  const std::size_t mask = index_.size() - 1;
  for (const IndexEntry& entry : old) {
    if (entry.slot_and_one == 0) continue;
    std::size_t place = mix(record(entry.slot_and_one - 1).fingerprint) & mask;
    while (index_[place].slot_and_one != 0) place = (place + 1) & mask;
    index_[place] = entry;
  }
}

std::uint32_t SeriesTable::take_slot() {
  if (!free_.empty()) {
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    return slot;
  }
  if (slots_ % block_records == 0) {
    blocks_.push_back(std::make_unique<Record[]>(block_records));
    if (settings_.kept_samples > 0) {
      kept_.push_back(std::make_unique<Sample[]>(block_records * settings_.kept_samples));
    }
  }
  return slots_++;
}

Result<std::uint32_t> SeriesTable::insert(const remote_write::Hash128& fingerprint,
                                          std::span<const LabelView> labels, Time now) {
  std::size_t bytes = 0;
  for (const LabelView& label : labels) bytes += label.name.size() + label.value.size();
  if (symbols_.text_bytes() + bytes > settings_.label_bytes_max) {
    return fail("label_bytes_limit",
                "the label texts of all series reach their limit; send fewer "
                "distinct ones, or raise the limit");
  }
  if (!count_.take_one(settings_.series_max) &&
      !(make_room(now) && count_.take_one(settings_.series_max))) {
    return fail("series_limit", "the agent watches its limit of " +
                                    std::to_string(settings_.series_max) +
                                    " series, and all are alive; send fewer, or raise the limit");
  }
  const std::uint32_t slot = take_slot();
  Record& made = record(slot);
  made = Record{};
  made.fingerprint = fingerprint;
  made.symbols = std::make_unique<std::uint32_t[]>(2 * labels.size());
  made.label_count = static_cast<std::uint8_t>(labels.size());
  made.last_seen_s = seconds_of(now);
  made.in_use = true;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    made.symbols[2 * i] = symbols_.intern(labels[i].name);
    made.symbols[2 * i + 1] = symbols_.intern(labels[i].value);
  }
  if ((size_ + 1) * 4 > index_.size() * 3) grow_index();
  index_[place_of(fingerprint)] = {static_cast<std::uint32_t>(mix(fingerprint) >> 32), slot + 1};
  ++size_;
  return slot;
}

void SeriesTable::remove(std::uint32_t slot, Departure departure) {
  forget_(slot, departure);
  Record& gone = record(slot);
  const std::size_t mask = index_.size() - 1;
  std::size_t hole = place_of(gone.fingerprint);
  for (std::size_t at = (hole + 1) & mask; index_[at].slot_and_one != 0; at = (at + 1) & mask) {
    const std::size_t home = mix(record(index_[at].slot_and_one - 1).fingerprint) & mask;
    if (((at - home) & mask) >= ((at - hole) & mask)) {
      index_[hole] = index_[at];
      hole = at;
    }
  }
  index_[hole] = IndexEntry{};
  for (std::size_t i = 0; i < 2u * gone.label_count; ++i) symbols_.release(gone.symbols[i]);
  gone = Record{};
  free_.push_back(slot);
  --size_;
  count_.give_one_back();
}

bool SeriesTable::make_room(Time now) {
  std::optional<std::uint32_t> best;
  std::int64_t longest = -1;
  for (std::size_t i = 0; i < std::min<std::size_t>(records_looked_at, slots_); ++i) {
    hand_ = hand_ + 1 < slots_ ? hand_ + 1 : 0;
    const Record& looked_at = record(hand_);
    if (!looked_at.in_use) continue;
    const std::int64_t silence = silence_of(looked_at, now);
    if (looked_at.has_ended && at_least(silence, settings_.ended_after)) {
      best = hand_;
      break;
    }
    if (silence > longest && at_least(silence, settings_.silent_after)) {
      longest = silence;
      best = hand_;
    }
  }
  if (best) remove(*best, Departure::room);
  return best.has_value();
}

void SeriesTable::expire(Time now, std::size_t records_max) {
  for (std::size_t i = 0; i < std::min<std::size_t>(records_max, slots_); ++i) {
    hand_ = hand_ + 1 < slots_ ? hand_ + 1 : 0;
    const Record& looked_at = record(hand_);
    if (looked_at.in_use && at_least(silence_of(looked_at, now), settings_.idle_after)) {
      remove(hand_, Departure::idle);
    }
  }
}

void SeriesTable::keep(std::uint32_t slot, std::span<const Sample> samples) {
  const std::size_t room = settings_.kept_samples;
  if (room == 0) return;
  Record& keeper = record(slot);
  Sample* const ring = &kept_[slot / block_records][slot % block_records * room];
  // Twice the room tells a full ring from one that is filling.
  for (const Sample& sample : samples) {
    ring[keeper.samples_kept % room] = sample;
    keeper.samples_kept = static_cast<std::uint16_t>(
        keeper.samples_kept + 1u < 2 * room ? keeper.samples_kept + 1u : room);
  }
}

std::vector<Sample> SeriesTable::kept(std::uint32_t slot) const {
  const std::size_t room = settings_.kept_samples;
  if (room == 0) return {};
  const Sample* const ring = &kept_[slot / block_records][slot % block_records * room];
  const std::size_t next = record(slot).samples_kept;
  const std::size_t count = std::min(next, room);
  std::vector<Sample> samples;
  for (std::size_t i = next - count; i < next; ++i) samples.push_back(ring[i % room]);
  return samples;
}

Labels SeriesTable::labels_of(std::uint32_t slot) const {
  Labels labels;
  const Record& named = record(slot);
  for (std::size_t i = 0; i < named.label_count; ++i) {
    labels.set(symbols_.text(named.symbols[2 * i]), symbols_.text(named.symbols[2 * i + 1]));
  }
  return labels;
}

void SeriesTable::view_labels(std::uint32_t slot, std::vector<LabelView>& labels) const {
  labels.clear();
  const Record& named = record(slot);
  for (std::size_t i = 0; i < named.label_count; ++i) {
    labels.push_back(
        {symbols_.text(named.symbols[2 * i]), symbols_.text(named.symbols[2 * i + 1])});
  }
}

std::string_view SeriesTable::label(std::uint32_t slot, std::string_view name) const {
  const Record& named = record(slot);
  for (std::size_t i = 0; i < named.label_count; ++i) {
    if (symbols_.text(named.symbols[2 * i]) == name) {
      return symbols_.text(named.symbols[2 * i + 1]);
    }
  }
  return {};
}

}  // namespace outrider::ingest
