// SPDX-License-Identifier: Apache-2.0
#include "base/kafka/partition.h"

namespace outrider::kafka {

std::uint32_t murmur2(std::string_view bytes) {
  constexpr std::uint32_t m = 0x5bd1e995;
  const auto byte = [&](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i]));
  };
  std::uint32_t h = 0x9747b28c ^ static_cast<std::uint32_t>(bytes.size());
  std::size_t i = 0;
  for (; i + 4 <= bytes.size(); i += 4) {
    std::uint32_t k = byte(i) | byte(i + 1) << 8 | byte(i + 2) << 16 | byte(i + 3) << 24;
    k *= m;
    k ^= k >> 24;
    k *= m;
    h = (h * m) ^ k;
  }
  const std::size_t left = bytes.size() - i;
  if (left == 3) h ^= byte(i + 2) << 16;
  if (left >= 2) h ^= byte(i + 1) << 8;
  if (left >= 1) h = (h ^ byte(i)) * m;
  h ^= h >> 13;
  h *= m;
  return h ^ h >> 15;
}

std::int32_t partition_of(std::string_view key, std::int32_t count) {
  return static_cast<std::int32_t>(murmur2(key) & 0x7fffffff) % count;
}

}  // namespace outrider::kafka
