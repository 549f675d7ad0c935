// SPDX-License-Identifier: Apache-2.0
#pragma once

// States that a snapshot kept, until their series come back. They are saved again with the others,
// so that two restarts in a row forget no more than one. PURE; not thread-safe.
//
//   RestoredStates kept(watched_max);
//   kept.put(watched);                                      // read from disk
//   Watched watched = kept.claim(fingerprint, As::gauge);   // as it was, or one that begins
//
// Limit: `max` states; put() says no past it.

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "agent/series/watched.h"

namespace outrider::series {

class RestoredStates {
 public:
  explicit RestoredStates(std::size_t max) : max_(max) {}

  bool put(const Watched& watched) {
    if (states_.size() >= max_) return false;
    states_.try_emplace(watched.fingerprint().low, watched);
    return true;
  }

  Watched claim(const Fingerprint& fingerprint, As as) {
    Watched begun(fingerprint, as);
    const auto kept = states_.find(fingerprint.low);
    if (kept == states_.end()) return begun;
    if (kept->second.fingerprint() == fingerprint && kept->second.as() == as) begun = kept->second;
    states_.erase(kept);
    return begun;
  }

  void clear() { states_.clear(); }

  std::vector<std::uint64_t> keys() const {
    std::vector<std::uint64_t> all;
    for (const auto& [key, watched] : states_) all.push_back(key);
    return all;
  }

  // Those of the keys that nobody claimed meanwhile, after their number.
  void save(std::span<const std::uint64_t> keys, detectors::SnapshotWriter& out) const {
    std::uint64_t states = 0;
    for (const std::uint64_t key : keys) states += states_.count(key);
    out.u64(states);
    for (const std::uint64_t key : keys) {
      if (const auto kept = states_.find(key); kept != states_.end()) kept->second.save(out);
    }
  }

 private:
  std::size_t max_;
  std::unordered_map<std::uint64_t, Watched> states_;
};

}  // namespace outrider::series
