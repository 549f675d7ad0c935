// SPDX-License-Identifier: Apache-2.0
// Erasing what goes by a name: predictions, joined rows, held labels and the name itself.
#include <algorithm>
#include <map>

#include "truth/truth_join.h"
#include "truth/truth_join_group.h"

namespace outrider::truth {
// One wish of a group.
class TruthJoin::Eraser {
 public:
  Eraser(TruthJoin& join, const EraseWish& wish, std::map<std::uint64_t, std::string>& slots,
         Group& group)
      : join_(join), wish_(wish), slots_(slots), group_(group) {}

  Result<Erased> erase(Time now) {
    if (auto ok = find(now); !ok) return fail(ok);
    for (const Target& target : targets_) {
      if (auto ok = take(target); !ok) return fail(ok);
    }
    take_held();
    return erased_;
  }

 private:
  struct Target {
    Uuid id;
    std::optional<std::uint32_t> row;
  };

  void mark(const Uuid& hash, std::optional<std::uint32_t> row, Time now);
  Result<void> find(Time now);
  Result<void> find_named(const Uuid& hash, std::optional<std::uint32_t> row);
  Result<void> take(const Target& target);
  void take_held();

  TruthJoin& join_;
  const EraseWish& wish_;
  std::map<std::uint64_t, std::string>& slots_;  // As they are to be written.
  Group& group_;
  std::vector<Target> targets_;
  Erased erased_;
};

void TruthJoin::Eraser::mark(const Uuid& hash, std::optional<std::uint32_t> row, Time now) {
  ErasedNames::Entry entry{.hash = hash, .row = row, .erased = now, .scope = wish_.scope};
  join_.erased_names_.add(entry);
  group_.batch.put(Family::meta, erased_key(entry), encode_erased(entry));
}

// As labels are understood (truth_join.h), but all that a name may stand for.
Result<void> TruthJoin::Eraser::find(Time now) {
  GroundTruth label;
  label.id = wish_.id;
  label.row = wish_.row;
  const IdReading reading = read_id(label, now);
  if (reading.key) {
    const auto row = reading.row_named ? std::optional(reading.key->row) : std::nullopt;
    targets_.push_back({reading.key->id, row});
    mark(reading.key->id, row, now);
  }
  for (const Uuid& hash : {alias_hash(wish_.id), key_hash(wish_.id)}) {
    if (auto ok = find_named(hash, wish_.row); !ok) return ok;
    mark(hash, wish_.row, now);
  }
  if (!reading.suffixed || !targets_.empty()) return {};
  const Uuid hash = alias_hash(reading.suffixed->first);
  if (auto ok = find_named(hash, reading.suffixed->second); !ok) return ok;
  mark(hash, reading.suffixed->second, now);
  return {};
}

Result<void> TruthJoin::Eraser::find_named(const Uuid& hash, std::optional<std::uint32_t> row) {
  const auto found = join_.reads_.all_named(hash, wish_.scope);
  if (!found) return fail(found);
  for (const NamedPrediction& one : *found) {
    const bool of_row = one.is_key && one.row != whole_request;
    if (of_row && row && *row != one.row) continue;
    targets_.push_back({one.id, of_row ? std::optional(one.row) : row});
    if (row && !of_row) continue;  // It is the name of the other rows, too.
    group_.batch.erase(Family::aliases, name_key(hash, one));
    ++erased_.names;
  }
  return {};
}

Result<void> TruthJoin::Eraser::take(const Target& target) {
  const std::uint64_t slot = slot_of(target.id);
  if (slot < join_.reads_.watermark()) return {};
  const auto is_meant = [this](std::string_view model) { return wish_.scope.holds(model); };
  if (!slots_.contains(slot)) {
    auto read = join_.reads_.slot_value(slot);
    if (!read) return fail(read);
    slots_.emplace(slot, std::move(*read));
  }
  const auto joined = join_.reads_.joined_of(target.id, target.row);
  if (!joined) return fail(joined);
  std::uint64_t labelled = 0;
  for (const auto& [key, model] : *joined) {
    if (!is_meant(model)) continue;
    group_.batch.erase(Family::joined, key);
    if (group_.gone.insert(key).second) ++labelled;
  }
  erased_.joined += labelled;
  TakenOut taken = take_out(slots_.at(slot), target.id, target.row, is_meant);
  // A row that has its label lies in both places, and was no longer pending.
  const std::uint64_t unlabelled = taken.rows > labelled ? taken.rows - labelled : 0;
  for (std::uint64_t i = 0; i < unlabelled; ++i)
    join_.retention_.segments().add_joined(slot, true, 0);
  erased_.predictions += unlabelled;
  slots_.at(slot) = std::move(taken.value);
  return {};
}

void TruthJoin::Eraser::take_held() {
  std::vector<Uuid> hashes = {alias_hash(wish_.id), key_hash(wish_.id)};
  for (const Target& target : targets_) hashes.push_back(target.id);
  std::set<std::uint64_t> numbers;
  for (const Uuid& hash : hashes) {
    for (const std::uint64_t number : join_.held_.waiting_for(hash)) numbers.insert(number);
  }
  for (const std::uint64_t number : numbers) {
    const HeldLabel& held = join_.held_.all().at(number);
    if (wish_.row && held.label.row && held.label.row != wish_.row) continue;
    if (!wish_.scope.any() && !held.scope.any() && wish_.scope != held.scope) continue;
    join_.held_.forget(number, group_.batch);
    ++erased_.held;
  }
}

Result<std::vector<Erased>> TruthJoin::erase(std::span<const EraseWish> wishes, Time now) {
  constexpr std::size_t marks_of_wish = 4;
  if (erased_names_.size() + marks_of_wish * wishes.size() > ErasedNames::names_max) {
    return fail("erase_full", "the marks of " + std::to_string(erased_names_.size()) +
                                  " erased names are kept, until truth.max-delay has passed; "
                                  "nothing was erased");
  }
  Group group;
  std::map<std::uint64_t, std::string> slots;
  std::vector<Erased> answers;
  for (const EraseWish& wish : wishes) {
    auto erased = Eraser(*this, wish, slots, group).erase(now);
    if (!erased) return fail(erased);
    answers.push_back(*erased);
  }
  for (const auto& [slot, value] : slots) {
    std::string key;
    append_u64_key(key, slot);
    if (value.empty()) {
      group.batch.erase(Family::predictions, key);
    } else {
      group.batch.put(Family::predictions, key, value);
    }
    purge_.insert(slot);
  }
  retention_.add_meta(group.batch);
  if (auto ok = store_.write(group.batch, true); !ok) return fail(ok);
  return answers;
}

// The bytes go, and marks that nothing can come for any more.
Result<void> TruthJoin::forget_erased(Time now) {
  if (!purge_.empty() && store_.purge(*purge_.begin(), *purge_.rbegin())) purge_.clear();
  const auto gone = erased_names_.forget_before(now - settings_.max_delay);
  if (gone.empty()) return {};
  WriteBatch batch;
  for (const auto& entry : gone) batch.erase(Family::meta, erased_key(entry));
  if (auto ok = store_.write(batch, false); !ok) return fail(ok);
  return {};
}

}  // namespace outrider::truth
