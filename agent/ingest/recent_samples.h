// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which samples were stored a while ago, of requests that had several of one series. A sender that
// gets no answer sends such a request again, and then all but each series' newest sample are older
// than what is known: with the same value they are repetitions, and no error. (The newest is in the
// series' record, so the usual request, one sample a series, needs none of this.)
//
//   recent.remember(RecentSamples::Kind::sample, record.fingerprint, sample.timestamp_ms, bits);
//   if (recent.has(RecentSamples::Kind::sample, record.fingerprint, sample.timestamp_ms, bits)) …       // stored before
//
// Holds the hashes of `capacity` samples, the oldest of a set of eight going first: 8 bytes each,
// taken with the first one. So a request is known again for as many samples; what is forgotten is
// out of order, as it would be anyway. A sample that was not stored is taken for one that was with
// a chance below 1e-18. Not thread-safe. O(1): one cache line.

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <memory>

#include "base/remote_write/codec/decode.h"

namespace outrider::ingest {

class RecentSamples {
 public:
  static constexpr std::size_t capacity = 1 << 18;

  enum class Kind : std::uint8_t { sample, histogram, exemplar };

  // `value_bits` of a histogram or an exemplar: a hash of all of it.
  void remember(Kind kind, const remote_write::Hash128& series, std::int64_t timestamp_ms,
                std::uint64_t value_bits) {
    if (!sets_) sets_ = std::make_unique<Set[]>(set_count);
    const std::uint64_t hash = hash_of(kind, series, timestamp_ms, value_bits);
    auto& hashes = sets_[hash % set_count].hashes;
    std::copy_backward(hashes.begin(), hashes.end() - 1, hashes.end());
    hashes[0] = hash;
  }

  bool has(Kind kind, const remote_write::Hash128& series, std::int64_t timestamp_ms,
           std::uint64_t value_bits) const {
    if (!sets_) return false;
    const std::uint64_t hash = hash_of(kind, series, timestamp_ms, value_bits);
    const auto& hashes = sets_[hash % set_count].hashes;
    return std::find(hashes.begin(), hashes.end(), hash) != hashes.end();
  }

 private:
  static constexpr std::size_t ways = 8, set_count = capacity / ways;
  struct alignas(64) Set {
    std::array<std::uint64_t, ways> hashes{};  // The newest first; 0: none.
  };

  static std::uint64_t hash_of(Kind kind, const remote_write::Hash128& series,
                               std::int64_t timestamp_ms, std::uint64_t value_bits) {
    // Multiply and fold, as wyhash mixes (Wang Yi, 2019).
    __extension__ using Wide = unsigned __int128;
    const auto mix = [](std::uint64_t a, std::uint64_t b) {
      const Wide product = static_cast<Wide>(a) * b;
      return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
    };
    const std::uint64_t time = std::bit_cast<std::uint64_t>(timestamp_ms);
    const std::uint64_t hash =
        mix(mix(series.low ^ 0xa0761d6478bd642f, time ^ 0xe7037ed1a0b428db) ^ series.high,
            value_bits ^ (0x8ebc6af09c88c6e3 + static_cast<std::uint64_t>(kind)));
    return hash == 0 ? 1 : hash;
  }

  std::unique_ptr<Set[]> sets_;
};

}  // namespace outrider::ingest
