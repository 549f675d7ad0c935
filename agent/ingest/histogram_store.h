// SPDX-License-Identifier: Apache-2.0
#pragma once

// The newest histogram of each series, as it was encoded, within a limit of bytes. What is past it
// is counted. PURE, not thread-safe. O(1).

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

namespace outrider::ingest {

class HistogramStore {
 public:
  explicit HistogramStore(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  // In the place of the one before; past the limit that one stays.
  void keep(std::uint32_t slot, std::string_view encoded);
  void forget(std::uint32_t slot);

  std::string_view find(std::uint32_t slot) const;  // "" where there is none.
  std::uint64_t not_kept() const { return not_kept_; }

 private:
  const std::size_t bytes_max_;
  std::unordered_map<std::uint32_t, std::string> kept_;
  std::size_t bytes_ = 0;
  std::uint64_t not_kept_ = 0;
};

}  // namespace outrider::ingest
