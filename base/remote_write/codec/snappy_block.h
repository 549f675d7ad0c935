// SPDX-License-Identifier: Apache-2.0
#pragma once

// Snappy's block format, as remote write has it (never the framed one), bounded: the length that a
// block declares is read and judged before a byte is decompressed, so a bomb costs nothing. PURE.
//
//   std::string buffer;                                      // reused from block to block
//   auto message = decompress_snappy(body, 32 << 20, buffer);
//   if (!message) …                                          // "bad_snappy", "too_large"
//
// Source: google/snappy, format_description.txt; the library does the work.

#include <cstddef>
#include <string>
#include <string_view>

#include "base/core/result.h"

namespace outrider::remote_write {

std::string compress_snappy(std::string_view message);

// The length that the block declares. Error: "bad_snappy".
Result<std::size_t> snappy_declared_bytes(std::string_view block);

// The decompressed bytes, in `buffer`, which grows as needed and never shrinks. O(bytes).
// Errors: "bad_snappy" (not a block, or damaged), "too_large" (it declares more than `bytes_max`,
// or more than its size can hold).
Result<std::string_view> decompress_snappy(std::string_view block, std::size_t bytes_max,
                                           std::string& buffer);

}  // namespace outrider::remote_write
