// SPDX-License-Identifier: Apache-2.0
#pragma once

// JSON as the decoders read it. Two parsers of simdjson behind one set of rules for values:
//
//   JsonTree     the whole body as a tree, for every shape that has to be looked at before it is read.
//   JsonDocument on-demand, for the one shape that is most of the traffic: a flat object of values
//                (request_body.cpp). It is a quarter quicker there and gives up at the first list.
//
// Python's json module and others write NaN, Infinity and numbers beyond any double, which JSON
// does not have. A tree is read again with those in quotes (lenient_json.h), so that one of them is
// one missing value and not a lost exchange.
//
// Values: a string is read like any other text (detectors/value_reader.h: "NA", "45.2", "True"); an
// integer that no double holds is a text with all its digits. Strings and digits are valid until
// the next parse of the same object.

#include <simdjson.h>

#include <cstddef>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "sidecar/monitor/decode/failure.h"
#include "sidecar/monitor/decode/observation.h"

namespace outrider::decode {

namespace ondemand = simdjson::ondemand;
namespace dom = simdjson::dom;

// How deep arrays and objects may nest: json_too_deep past it.
inline constexpr int depth_max = 32;

FailReason to_reason(simdjson::error_code code);

// Takes simdjson's value or returns its error as a FailReason.
#define OUTRIDER_TAKE(target, expression)                                                          \
  if (const auto code = std::move(expression).get(target); code != simdjson::SUCCESS) [[unlikely]] \
  return failed(to_reason(code))

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

class JsonTree {
 public:
  JsonTree();

  // The root. Copies the text. unpacked_too_large (past 8 MiB), invalid_json, invalid_utf8,
  // invalid_number, json_too_deep.
  Decoded<dom::element> parse(std::string_view text);
  // Whether it was this text that was parsed last: then parse() gives its root again, and all that
  // was found in it holds. The bodies of one client with its values elsewhere are alike.
  bool holds(std::string_view text) const {
    return !text.empty() && text.size() == held_bytes_ &&
           std::memcmp(buffer_.get(), text.data(), held_bytes_) == 0;
  }
  // As parse() where it holds the text; false, and nothing done, where it does not.
  bool take_again(std::string_view text) {
    if (!holds(text)) return false;
    if (!digits_.empty()) digits_.clear();
    return true;
  }

  // A value that is no list and no object; missing for those.
  FeatureValue scalar(dom::element element) {
    if (element.type() == dom::element_type::DOUBLE) {
      return FeatureValue::of(element.get_double().value_unsafe());
    }
    return other_scalar(element);
  }

  // An integer: a number, or a text with its digits where no double holds it.
  FeatureValue integer(std::int64_t integer);
  FeatureValue integer(std::uint64_t integer);

 private:
  Decoded<dom::element> parse_strict(std::string_view text);
  FeatureValue other_scalar(dom::element element);

  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t held_bytes_ = 0;  // Of what root_ is the tree of; 0: of nothing.
  dom::element root_;
  std::unique_ptr<dom::parser> parser_;
  std::deque<std::string> digits_;  // Of integers that no double holds.
  std::string lenient_;
};

// A string of JSON, an on-demand number or literal as a value. wrong_type for a list or an object.
Decoded<FeatureValue> read_scalar(ondemand::value value, ondemand::json_type type);

// A number that was read, or its digits where it is an integer that no double holds.
inline constexpr double exact_max =
    9'007'199'254'740'992;  // 2^53: below, every one has its double.
FeatureValue exact_value(double number, std::string_view token);

// The same into where it is to stay. Most values are numbers, and those go there straight.
inline Decoded<void> read_scalar(ondemand::value& value, ondemand::json_type type,
                                 FeatureValue& into) {
  if (type == ondemand::json_type::number) {
    double number = 0;
    OUTRIDER_TAKE(number, value.get_double());
    const bool is_small = number < exact_max && number > -exact_max;
    into = is_small ? FeatureValue::of(number) : exact_value(number, value.raw_json_token());
    return {};
  }
  const auto scalar = read_scalar(value, type);
  if (!scalar) return failed(scalar);
  into = *scalar;
  return {};
}

inline bool is_container(dom::element element) {
  return element.type() == dom::element_type::ARRAY || element.type() == dom::element_type::OBJECT;
}
// The member of that name, the last one where it comes twice, as in most parsers.
std::optional<dom::element> member(dom::object object, std::string_view name);
inline std::optional<dom::array> array_of(std::optional<dom::element> element) {
  if (!element || element->type() != dom::element_type::ARRAY) return std::nullopt;
  return element->get_array().value_unsafe();
}
inline std::optional<dom::object> object_of(std::optional<dom::element> element) {
  if (!element || element->type() != dom::element_type::OBJECT) return std::nullopt;
  return element->get_object().value_unsafe();
}
// Of an element that is one. By value: a loop over the inside of a temporary optional would outlive
// it.
inline dom::array list_in(dom::element element) {
  return element.get_array().value_unsafe();
}
inline dom::object object_in(dom::element element) {
  return element.get_object().value_unsafe();
}
std::optional<std::string_view> text_of(std::optional<dom::element> element);

// simdjson counts up to 16 777 215 elements and stays there; no body that is read has so many
// values.
inline std::size_t size_of(dom::array array) {
  return array.size();
}

// Passes every piece of a JSON pointer (RFC 6901) as a field's flattened name: "/house/size" is
// "house.size".
std::string flattened_name(std::string_view pointer);

}  // namespace outrider::decode
