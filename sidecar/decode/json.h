// SPDX-License-Identifier: Apache-2.0
#pragma once

// simdjson's on-demand parser, as the decoders use it: one padded buffer and one parser per body,
// and its errors as FailReasons. What a decoder does not read is skipped, not validated.
//
// Strings that were read are valid until the parser's next document (or its rewind).

#include <simdjson.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "sidecar/decode/failure.h"
#include "sidecar/decode/observation.h"

namespace outrider::decode {

namespace ondemand = simdjson::ondemand;

// How deep a decoder follows arrays and objects: json_too_deep past it.
inline constexpr int depth_max = 32;

FailReason to_reason(simdjson::error_code code);

// Takes simdjson's value or returns its error as a FailReason.
#define OUTRIDER_TAKE(target, expression)                                                          \
  if (const auto code = std::move(expression).get(target); code != simdjson::SUCCESS) [[unlikely]] \
  return failed(to_reason(code))

// Names simdjson's value where it lies, or returns its error likewise. For the loops over a body: a copy
// of what was written piece by piece a moment ago waits for those pieces.
#define OUTRIDER_NAME(name, result)                     \
  if (result.error() != simdjson::SUCCESS) [[unlikely]] \
    return failed(to_reason(result.error()));           \
  auto&& name = std::move(result).value_unsafe()

class JsonDocument {
 public:
  // Copies the text (the parser reads a little past its end). invalid_json, invalid_utf8.
  Decoded<ondemand::document*> open(std::string_view text);

 private:
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  ondemand::parser parser_;
  ondemand::document document_;
};

// A number, text, boolean or null as a value; "true" and "false" are categories. wrong_type for an
// array or object.
Decoded<FeatureValue> read_scalar(ondemand::value value);
// The same where the type is known already.
Decoded<FeatureValue> read_scalar(ondemand::value value, ondemand::json_type type);
// The same into where it is to stay. Most values are numbers, and those go there straight.
inline Decoded<void> read_scalar(ondemand::value& value, ondemand::json_type type,
                                 FeatureValue& into) {
  if (type == ondemand::json_type::number) {
    double number = 0;
    OUTRIDER_TAKE(number, value.get_double());
    into = FeatureValue::of(number);
    return {};
  }
  const auto scalar = read_scalar(value, type);
  if (!scalar) return failed(scalar);
  into = *scalar;
  return {};
}

// Nothing may follow the document's value: invalid_json.
Decoded<void> expect_end(ondemand::document& document);

// Passes every piece of a JSON pointer (RFC 6901) as a field's flattened name: "/house/size" is
// "house.size".
std::string flattened_name(std::string_view pointer);

}  // namespace outrider::decode
