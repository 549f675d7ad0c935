// SPDX-License-Identifier: Apache-2.0
#include "truth/held_labels.h"

#include <algorithm>

namespace outrider::truth {
namespace {

constexpr std::size_t key_bytes = 8;

std::string held_key(std::uint64_t number) {
  std::string key;
  append_u64_key(key, number);
  return key;
}

// What a held label waits for: an id, or the hash of an alias or a key.
std::vector<Uuid> awaited(const HeldLabel& held) {
  const IdReading reading = read_id(held.label, held.arrived);
  std::vector<Uuid> hashes = {alias_hash(held.label.id), key_hash(held.label.id)};
  if (reading.key) hashes.push_back(reading.key->id);
  if (reading.suffixed) hashes.push_back(alias_hash(reading.suffixed->first));
  return hashes;
}

std::size_t bytes_of(const HeldLabel& held) {
  return key_bytes + encode_held(held).size();
}

}  // namespace

void HeldLabels::load(std::uint64_t number, const HeldLabel& held) {
  index(number, held);
  ready_.insert(number);
  next_ = number + 1;
}

void HeldLabels::add(const HeldLabel& held, WriteBatch& batch) {
  const std::uint64_t number = next_++;
  batch.put(Family::early, held_key(number), encode_held(held));
  index(number, held);
}

void HeldLabels::index(std::uint64_t number, const HeldLabel& held) {
  bytes_ += bytes_of(held);
  for (const Uuid& hash : awaited(held)) waiting_.emplace(hash, number);
  held_.emplace(number, held);
}

void HeldLabels::forget(std::uint64_t number, WriteBatch& batch) {
  const auto held = held_.find(number);
  if (held == held_.end()) return;
  for (const Uuid& hash : awaited(held->second)) {
    const auto [first, last] = waiting_.equal_range(hash);
    const auto entry = std::find_if(first, last, [&](const auto& e) { return e.second == number; });
    if (entry != last) waiting_.erase(entry);
  }
  bytes_ -= bytes_of(held->second);
  held_.erase(held);
  ready_.erase(number);
  batch.erase(Family::early, held_key(number));
}

void HeldLabels::match(const AppendBuffer& predictions) {
  if (waiting_.empty()) return;
  const auto match_one = [this](const Uuid& hash) {
    const auto [first, last] = waiting_.equal_range(hash);
    for (auto entry = first; entry != last; ++entry) ready_.insert(entry->second);
  };
  for (const AppendEntry& entry : predictions.entries) match_one(entry.id);
  for (const AppendName& name : predictions.names) match_one(name.hash);
}

std::optional<std::uint64_t> HeldLabels::find(const GroundTruth& label, const Scope& scope) const {
  if (waiting_.empty()) return std::nullopt;
  const auto [first, last] = waiting_.equal_range(alias_hash(label.id));
  for (auto entry = first; entry != last; ++entry) {
    const HeldLabel& held = held_.at(entry->second);
    if (held.label.id == label.id && held.label.row == label.row && held.scope == scope)
      return entry->second;
  }
  return std::nullopt;
}

void HeldLabels::count_here(std::uint64_t number, WriteBatch& batch) {
  HeldLabel& held = held_.at(number);
  held.passed = false;
  batch.put(Family::early, held_key(number), encode_held(held));
}

std::vector<std::uint64_t> HeldLabels::waiting_for(const Uuid& hash) const {
  std::vector<std::uint64_t> numbers;
  const auto [first, last] = waiting_.equal_range(hash);
  for (auto entry = first; entry != last; ++entry) numbers.push_back(entry->second);
  return numbers;
}

}  // namespace outrider::truth
