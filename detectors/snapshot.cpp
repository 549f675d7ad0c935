// SPDX-License-Identifier: Apache-2.0
#include "detectors/snapshot.h"

#include <bit>
#include <cassert>

namespace outrider::detectors {
namespace {

constexpr std::size_t kind_bytes = 4;
constexpr std::size_t head_bytes = kind_bytes + 2;
constexpr std::size_t checksum_bytes = 8;
constexpr std::uint64_t count_max = std::uint64_t{1} << 53;

// FNV-1a, 64 bits: Fowler, Noll and Vo, draft-eastlake-fnv.
std::uint64_t checksum(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  return hash;
}

void append(std::string& out, std::uint64_t value, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) out += static_cast<char>((value >> (8 * i)) & 0xFF);
}

std::uint64_t number(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    value = (value << 8) | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

}  // namespace

SnapshotWriter::SnapshotWriter(std::string_view kind, std::uint16_t version) : bytes_(kind) {
  assert(kind.size() == kind_bytes);
  append(bytes_, version, 2);
}

void SnapshotWriter::u64(std::uint64_t value) {
  append(bytes_, value, 8);
}

void SnapshotWriter::f64(double value) {
  u64(std::bit_cast<std::uint64_t>(value));
}

void SnapshotWriter::text(std::string_view value) {
  u64(value.size());
  bytes_ += value;
}

std::string SnapshotWriter::finish() {
  append(bytes_, checksum(bytes_), checksum_bytes);
  return std::move(bytes_);
}

Result<SnapshotReader> SnapshotReader::open(std::string_view bytes, std::string_view kind,
                                            std::uint16_t version) {
  if (bytes.size() < head_bytes + checksum_bytes) {
    return fail("snapshot_cut", "detector state: " + std::to_string(bytes.size()) +
                                    " bytes are too few; it was cut short. Starting afresh");
  }
  const std::string_view body = bytes.substr(0, bytes.size() - checksum_bytes);
  if (number(bytes.substr(body.size())) != checksum(body)) {
    return fail("snapshot_corrupt",
                "detector state: the checksum of its " + std::to_string(bytes.size()) +
                    " bytes is wrong; it was cut short or damaged. Starting afresh");
  }
  const std::uint64_t found = number(body.substr(kind_bytes, 2));
  if (body.substr(0, kind_bytes) != kind || found != version) {
    return fail("snapshot_foreign", "detector state: expected " + std::string(kind) + " version " +
                                        std::to_string(version) +
                                        "; another detector or release wrote it. Starting afresh");
  }
  return SnapshotReader(body.substr(head_bytes));
}

std::string_view SnapshotReader::take(std::size_t count) {
  if (count > rest_.size()) {
    ran_out_ = true;
    rest_ = {};
    return {};
  }
  const std::string_view taken = rest_.substr(0, count);
  rest_.remove_prefix(count);
  return taken;
}

std::uint64_t SnapshotReader::u64() {
  return number(take(8));
}

std::uint64_t SnapshotReader::count() {
  const std::uint64_t value = u64();
  nonsense_ = nonsense_ || value > count_max;
  return value;
}

double SnapshotReader::f64() {
  return std::bit_cast<double>(u64());
}

bool SnapshotReader::boolean() {
  return number(take(1)) != 0;
}

std::string_view SnapshotReader::text() {
  return take(u64());
}

Result<void> SnapshotReader::finish() const {
  if (!ran_out_ && !nonsense_ && rest_.empty()) return {};
  return fail("snapshot_corrupt",
              "detector state: its fields do not fill its bytes. Starting afresh");
}

}  // namespace outrider::detectors
