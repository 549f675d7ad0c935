// SPDX-License-Identifier: Apache-2.0
#pragma once

// Numbers as little-endian bytes without padding: a snapshot of a million series should be small.

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace outrider::detectors {

template <class T>
void append(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) out += static_cast<char>((value >> (8 * i)) & 0xFF);
}
inline void append(std::string& out, float value) {
  append(out, std::bit_cast<std::uint32_t>(value));
}

// Reads what append() wrote. `sound` becomes false at what is cut off and at no finite number.
struct PackedBytes {
  std::string_view rest;
  bool sound = true;

  template <class T>
  T take() {
    if (rest.size() < sizeof(T)) {
      sound = false;
      return T{};
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      value |= std::uint64_t{static_cast<unsigned char>(rest[i])} << (8 * i);
    }
    rest.remove_prefix(sizeof(T));
    return static_cast<T>(value);
  }
  float number() {
    const auto value = std::bit_cast<float>(take<std::uint32_t>());
    sound = sound && std::isfinite(value);
    return value;
  }
  bool whole() const { return sound && rest.empty(); }
};

}  // namespace outrider::detectors
