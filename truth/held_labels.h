// SPDX-License-Identifier: Apache-2.0
#pragma once

// Labels that came before their prediction, by number, and which of them wait for an id or the hash
// of an alias or a key. PURE; not thread-safe: the owner's.
//
// What changes here goes into the batch of the same write, so that memory and the family `early`
// say the same once it is written. match() is O(1) a name, add() and forget() O(log held labels).

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "truth/append_buffer.h"
#include "truth/codec.h"
#include "truth/id_reading.h"
#include "truth/write_batch.h"

namespace outrider::truth {

class HeldLabels {
 public:
  // Of before. Its prediction may have been written just before the end: it is ready, once.
  void load(std::uint64_t number, const HeldLabel& held);

  void add(const HeldLabel& held, WriteBatch& batch);
  void forget(std::uint64_t number, WriteBatch& batch);

  // The labels that wait for one of these predictions are ready.
  void match(const AppendBuffer& predictions);
  bool has_ready() const { return !ready_.empty(); }
  std::set<std::uint64_t> take_ready() { return std::exchange(ready_, {}); }

  // The number of one that says the same id and row, of the same scope.
  std::optional<std::uint64_t> find(const GroundTruth& label, const Scope& scope) const;
  // It is counted here from now on.
  void count_here(std::uint64_t number, WriteBatch& batch);

  // The numbers of those that wait for the id or hash.
  std::vector<std::uint64_t> waiting_for(const Uuid& hash) const;

  const std::map<std::uint64_t, HeldLabel>& all() const { return held_; }
  std::size_t size() const { return held_.size(); }
  std::size_t bytes() const { return bytes_; }  // On disk, about.

 private:
  void index(std::uint64_t number, const HeldLabel& held);

  std::map<std::uint64_t, HeldLabel> held_;
  std::unordered_multimap<Uuid, std::uint64_t, UuidHash> waiting_;
  std::uint64_t next_ = 0;
  std::size_t bytes_ = 0;
  std::set<std::uint64_t> ready_;
};

}  // namespace outrider::truth
