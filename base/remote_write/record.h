// SPDX-License-Identifier: Apache-2.0
#pragma once

// The queue's records as bytes, and how they are found again among damage. PURE; thread-safe.
//
// A record is a header of 48 bytes, little-endian, and the payload:
//   magic "ORQ1" · CRC-32 of all that follows · number (8) · time in ms (8) · newest
//   sample's time in ms (8) · payload bytes (4) · samples (4) · exemplars (4) · series (4)
//
//   std::size_t offset = 0;
//   while (const Found found = next_record(bytes, offset); found.record) { …; offset = found.end; }
//
// What is cut, flipped or foreign is skipped up to the next record whose checksum holds. O(bytes)
// where records are sound; a checksum is computed only where a magic and a length fit.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/core/clock.h"
#include "base/remote_write/codec/encode.h"

namespace outrider::remote_write {

inline constexpr std::size_t record_header_bytes = 48;
inline constexpr std::size_t record_payload_bytes_max = 4 << 20;

struct RecordHeader {
  std::uint64_t number = 0;    // Ascending; no two records have the same.
  std::int64_t time_ms = 0;    // When it was queued.
  std::int64_t newest_ms = 0;  // The newest sample's time.
  Counts counts;
  bool operator==(const RecordHeader&) const = default;
};

// The payload has at most record_payload_bytes_max bytes.
std::string encode_record(const RecordHeader& header, std::string_view payload);

struct StoredRecord {
  RecordHeader header;
  std::string_view payload;  // Of the bytes that were searched.
};

struct Found {
  std::optional<StoredRecord> record;
  std::size_t end = 0;      // Where to go on; without a record, all that was searched.
  std::size_t skipped = 0;  // Damaged bytes before the record, or up to the end.
};

// The first sound record at or after `offset`.
Found next_record(std::string_view bytes, std::size_t offset);

// The CRC-32 of zlib, gzip and PNG.
std::uint32_t crc32_of(std::string_view bytes);

// Little-endian numbers.
void put_number(std::string& out, std::uint64_t value, int bytes);
std::uint64_t get_number(std::string_view bytes, std::size_t offset, int count);

}  // namespace outrider::remote_write
