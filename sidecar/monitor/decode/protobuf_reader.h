// SPDX-License-Identifier: Apache-2.0
#pragma once

// Protobuf's wire format, field by field, over views of the bytes: no message objects, no copies,
// no recursion (a message in a field is a view that the caller reads by another reader). PURE.
//
//   ProtobufReader reader(message);
//   while (reader.next()) {
//     if (reader.number() == 1 && reader.is(WireType::bytes)) name = reader.bytes();
//   }
//   if (reader.is_broken()) …
//
// Stricter than most: broken is what no encoder writes. A varint of more than 64 bits, a tag of
// more than 32, a length past the end, field number 0, groups (which proto3 does not have). Fields
// that nobody asks for are passed over. O(bytes), no allocation.
// Source: protobuf.dev, "Encoding".

#include <cstdint>
#include <string_view>

#include "sidecar/monitor/decode/failure.h"

namespace outrider::decode {

enum class WireType : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

class ProtobufReader {
 public:
  explicit ProtobufReader(std::string_view message) : rest_(message) {}

  // The next field; false at the end, and when the message is broken.
  bool next();
  bool is_broken() const { return broken_; }
  // As a value or invalid_message.
  Decoded<void> end() const {
    return broken_ ? Decoded<void>(failed(FailReason::invalid_message)) : Decoded<void>{};
  }

  std::uint32_t number() const { return number_; }
  WireType type() const { return type_; }
  bool is(WireType type) const { return type_ == type; }
  std::uint64_t value() const { return value_; }  // Of a varint, fixed64 or fixed32.
  std::string_view bytes() const {
    return bytes_;
  }  // Of a length-delimited field, and of
     // fixed ones, as they lie there.

  std::string_view whole() const { return whole_; }  // With its tag and length.

  // Takes a known field of the wrong wire type for what it is: a message of another schema.
  bool expect(WireType type) {
    if (type_ != type) broken_ = true;
    return !broken_;
  }

 private:
  std::string_view rest_, bytes_, whole_;
  std::uint64_t value_ = 0;
  std::uint32_t number_ = 0;
  WireType type_ = WireType::varint;
  bool broken_ = false;
};

// Takes a varint off the beginning; false, and nothing taken, where there is none.
bool take_varint(std::string_view& rest, std::uint64_t& value);

// Calls visit(std::uint64_t) for each of a repeated varint field's values, packed or not; false
// where it is neither, or broken.
template <class Visit>
bool each_varint(const ProtobufReader& field, Visit visit) {
  if (field.is(WireType::varint)) {
    visit(field.value());
    return true;
  }
  std::string_view packed = field.bytes();
  std::uint64_t value = 0;
  while (!packed.empty()) {
    if (!field.is(WireType::bytes) || !take_varint(packed, value)) return false;
    visit(value);
  }
  return field.is(WireType::bytes);
}

}  // namespace outrider::decode
