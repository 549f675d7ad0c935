// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/protobuf_reader.h"

#include <bit>
#include <cstddef>
#include <cstring>

namespace outrider::decode {
namespace {

constexpr std::size_t varint_bytes_max = 10;
static_assert(std::endian::native == std::endian::little);

}  // namespace

bool take_varint(std::string_view& rest, std::uint64_t& value) {
  if (!rest.empty() && static_cast<unsigned char>(rest.front()) < 0x80) {  // Nearly always.
    value = static_cast<unsigned char>(rest.front());
    rest.remove_prefix(1);
    return true;
  }
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < rest.size() && i < varint_bytes_max; ++i) {
    const auto byte = static_cast<unsigned char>(rest[i]);
    if (i + 1 == varint_bytes_max && byte > 1) return false;  // Past 64 bits.
    sum |= std::uint64_t{byte & 0x7fU} << (7 * i);
    if (byte >= 0x80) continue;
    value = sum;
    rest.remove_prefix(i + 1);
    return true;
  }
  return false;
}

bool ProtobufReader::next() {
  if (rest_.empty() || broken_) return false;
  broken_ = true;  // Until the field is read.
  const char* const begin = rest_.data();
  std::uint64_t tag = 0;
  if (!take_varint(rest_, tag) || tag > UINT32_MAX) return false;
  number_ = static_cast<std::uint32_t>(tag >> 3);
  if (number_ == 0) return false;
  std::size_t size = 0;
  switch (tag & 7) {
    case 0:
      type_ = WireType::varint;
      if (!take_varint(rest_, value_)) return false;
      break;
    case 1:
      type_ = WireType::fixed64;
      size = 8;
      break;
    case 2: {
      type_ = WireType::bytes;
      std::uint64_t length = 0;
      if (!take_varint(rest_, length) || length > rest_.size()) return false;
      size = length;
      break;
    }
    case 5:
      type_ = WireType::fixed32;
      size = 4;
      break;
    default:
      return false;
  }
  if (size > rest_.size()) return false;
  bytes_ = rest_.substr(0, size);
  rest_.remove_prefix(size);
  whole_ = {begin, static_cast<std::size_t>(rest_.data() - begin)};
  if (type_ == WireType::fixed64 || type_ == WireType::fixed32) {
    value_ = 0;
    std::memcpy(&value_, bytes_.data(), size);
  }
  broken_ = false;
  return true;
}

}  // namespace outrider::decode
