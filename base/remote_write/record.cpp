// SPDX-License-Identifier: Apache-2.0
#include "base/remote_write/record.h"

#include <zlib.h>

#include <cassert>

namespace outrider::remote_write {
namespace {

constexpr std::string_view magic = "ORQ1";
constexpr std::size_t checked_from = 8;  // After magic and checksum.

std::optional<StoredRecord> record_at(std::string_view bytes) {
  if (bytes.size() < record_header_bytes) return std::nullopt;
  const std::size_t payload_bytes = get_number(bytes, 32, 4);
  if (payload_bytes > record_payload_bytes_max ||
      payload_bytes > bytes.size() - record_header_bytes) {
    return std::nullopt;
  }
  const std::size_t record_bytes = record_header_bytes + payload_bytes;
  if (crc32_of(bytes.substr(checked_from, record_bytes - checked_from)) !=
      get_number(bytes, 4, 4)) {
    return std::nullopt;
  }
  StoredRecord record;
  record.header.number = get_number(bytes, 8, 8);
  record.header.time_ms = static_cast<std::int64_t>(get_number(bytes, 16, 8));
  record.header.newest_ms = static_cast<std::int64_t>(get_number(bytes, 24, 8));
  record.header.counts.samples = get_number(bytes, 36, 4);
  record.header.counts.exemplars = get_number(bytes, 40, 4);
  record.header.counts.series = get_number(bytes, 44, 4);
  record.payload = bytes.substr(record_header_bytes, payload_bytes);
  return record;
}

}  // namespace

void put_number(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

std::uint64_t get_number(std::string_view bytes, std::size_t offset, int count) {
  std::uint64_t value = 0;
  for (int i = 0; i < count; ++i) {
    value |= static_cast<std::uint64_t>(
                 static_cast<unsigned char>(bytes[offset + static_cast<std::size_t>(i)]))
             << (8 * i);
  }
  return value;
}

std::uint32_t crc32_of(std::string_view bytes) {
  return static_cast<std::uint32_t>(::crc32_z(
      ::crc32_z(0, nullptr, 0), reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

std::string encode_record(const RecordHeader& header, std::string_view payload) {
  assert(payload.size() <= record_payload_bytes_max);
  std::string checked;
  checked.reserve(record_header_bytes + payload.size());
  put_number(checked, header.number, 8);
  put_number(checked, static_cast<std::uint64_t>(header.time_ms), 8);
  put_number(checked, static_cast<std::uint64_t>(header.newest_ms), 8);
  put_number(checked, payload.size(), 4);
  put_number(checked, header.counts.samples, 4);
  put_number(checked, header.counts.exemplars, 4);
  put_number(checked, header.counts.series, 4);
  checked += payload;
  std::string record(magic);
  put_number(record, crc32_of(checked), 4);
  return record + checked;
}

Found next_record(std::string_view bytes, std::size_t offset) {
  for (std::size_t at = bytes.find(magic, offset); at != std::string_view::npos;
       at = bytes.find(magic, at + 1)) {
    if (const auto record = record_at(bytes.substr(at))) {
      return {.record = record,
              .end = at + record_header_bytes + record->payload.size(),
              .skipped = at - offset};
    }
  }
  return {.record = std::nullopt, .end = bytes.size(), .skipped = bytes.size() - offset};
}

}  // namespace outrider::remote_write
