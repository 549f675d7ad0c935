// SPDX-License-Identifier: Apache-2.0
#pragma once

// A snapshot's frame with its checksum put right, so that the fuzzer reaches what lies behind it.

#include <cstdint>
#include <string>

namespace outrider::fuzz {

// The frame's last eight bytes are the FNV-1a of what stands before (detectors/snapshot.h).
inline std::string with_checksum(std::string bytes) {
  if (bytes.size() < 8) return bytes;
  bytes.resize(bytes.size() - 8);
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>((hash >> (8 * i)) & 0xFF);
  return bytes;
}

}  // namespace outrider::fuzz
