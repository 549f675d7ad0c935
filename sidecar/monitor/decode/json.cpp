// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/json.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "detectors/value_reader.h"
#include "sidecar/monitor/decode/json_pointer.h"
#include "sidecar/monitor/decode/lenient_json.h"

namespace outrider::decode {
namespace {

constexpr std::size_t tree_bytes_max = 8 << 20;  // A tree takes some fifteen times its body.
constexpr std::size_t kept_bytes = 1 << 20;  // A larger buffer is given back with the next body.

std::string_view without_mark(std::string_view text) {  // .NET's; servers pass over it.
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  return text;
}

void copy_padded(std::string_view text, std::unique_ptr<char[]>& buffer, std::size_t& capacity) {
  const std::size_t needed = text.size() + simdjson::SIMDJSON_PADDING;
  if (needed > capacity || (capacity > kept_bytes && needed <= kept_bytes)) {
    capacity = std::max(needed, std::size_t{16} << 10);
    buffer = std::make_unique<char[]>(capacity);
  }
  if (!text.empty()) std::memcpy(buffer.get(), text.data(), text.size());
  std::memset(buffer.get() + text.size(), 0, simdjson::SIMDJSON_PADDING);
}

}  // namespace

FailReason to_reason(simdjson::error_code code) {
  switch (code) {
    case simdjson::UTF8_ERROR:
      return FailReason::invalid_utf8;
    case simdjson::NUMBER_ERROR:
    case simdjson::NUMBER_OUT_OF_RANGE:
      return FailReason::invalid_number;
    case simdjson::DEPTH_ERROR:
      return FailReason::json_too_deep;
    case simdjson::INCORRECT_TYPE:
      return FailReason::wrong_type;
    default:
      return FailReason::invalid_json;
  }
}

Decoded<ondemand::document*> JsonDocument::open(std::string_view text) {
  text = without_mark(text);
  copy_padded(text, buffer_, capacity_);
  const auto code = parser_.iterate(buffer_.get(), text.size(), capacity_).get(document_);
  if (code != simdjson::SUCCESS) return failed(to_reason(code));
  return &document_;
}

JsonTree::JsonTree() : parser_(std::make_unique<dom::parser>()) {}

Decoded<dom::element> JsonTree::parse(std::string_view text) {
  if (take_again(text)) return root_;
  if (!digits_.empty()) digits_.clear();
  if (text.size() > tree_bytes_max) return failed(FailReason::unpacked_too_large);
  const auto strict = parse_strict(without_mark(text));
  if (strict || strict.error() == FailReason::invalid_utf8 ||
      strict.error() == FailReason::json_too_deep) {
    return strict;
  }
  if (!quote_what_json_lacks(without_mark(text), lenient_)) return strict;
  return parse_strict(lenient_);
}

Decoded<dom::element> JsonTree::parse_strict(std::string_view text) {
  held_bytes_ = 0;
  copy_padded(text, buffer_, capacity_);
  // Its tape takes eight times the body: that of a large body is given back, too.
  if (parser_->capacity() > kept_bytes && text.size() <= kept_bytes) {
    parser_ = std::make_unique<dom::parser>();
  }
  if (parser_->capacity() < text.size() || parser_->max_depth() != depth_max + 1) {
    const std::size_t room = std::max(text.size(), std::size_t{16} << 10);
    if (parser_->allocate(room, depth_max + 1) != simdjson::SUCCESS) {
      return failed(FailReason::unpacked_too_large);
    }
  }
  OUTRIDER_TAKE(root_, parser_->parse(buffer_.get(), text.size(), false));
  held_bytes_ = text.size();
  return root_;
}

FeatureValue JsonTree::other_scalar(dom::element element) {
  switch (element.type()) {
    case dom::element_type::INT64:
      return integer(element.get_int64().value_unsafe());
    case dom::element_type::UINT64:
      return integer(element.get_uint64().value_unsafe());
    case dom::element_type::STRING:
      return detectors::read_value(element.get_string().value_unsafe());
    case dom::element_type::BOOL:
      return detectors::boolean_value(element.get_bool().value_unsafe());
    default:
      return {};
  }
}

FeatureValue JsonTree::integer(std::int64_t integer) {
  if (detectors::is_exact(integer)) return FeatureValue::of(static_cast<double>(integer));
  return FeatureValue::of(std::string_view(digits_.emplace_back(std::to_string(integer))));
}

FeatureValue JsonTree::integer(std::uint64_t integer) {
  if (detectors::is_exact(integer)) return FeatureValue::of(static_cast<double>(integer));
  return FeatureValue::of(std::string_view(digits_.emplace_back(std::to_string(integer))));
}

FeatureValue exact_value(double number, std::string_view token) {
  if (std::abs(number) < exact_max) return FeatureValue::of(number);
  token = token.substr(0, token.find_last_not_of(" \t\r\n") + 1);
  const bool is_integer = token.find_first_not_of("-0123456789") == std::string_view::npos;
  if (is_integer && !detectors::parse_exact(token)) return FeatureValue::of(token);
  return FeatureValue::of(number);
}

Decoded<FeatureValue> read_scalar(ondemand::value value, ondemand::json_type type) {
  switch (type) {
    case ondemand::json_type::number: {
      double number = 0;
      OUTRIDER_TAKE(number, value.get_double());
      return exact_value(number, value.raw_json_token());
    }
    case ondemand::json_type::string: {
      std::string_view text;
      OUTRIDER_TAKE(text, value.get_string());
      return detectors::read_value(text);
    }
    case ondemand::json_type::boolean: {
      bool flag = false;
      OUTRIDER_TAKE(flag, value.get_bool());
      return detectors::boolean_value(flag);
    }
    case ondemand::json_type::null: {
      bool null = false;
      OUTRIDER_TAKE(null, value.is_null());
      if (!null) return failed(FailReason::invalid_json);
      return FeatureValue{};
    }
    default:
      return failed(FailReason::wrong_type);
  }
}

std::optional<dom::element> member(dom::object object, std::string_view name) {
  std::optional<dom::element> found;
  for (const auto field : object) {
    if (field.key == name) found = field.value;
  }
  return found;
}

std::optional<std::string_view> text_of(std::optional<dom::element> element) {
  if (!element || !element->is_string()) return std::nullopt;
  return element->get_string().value_unsafe();
}

std::string flattened_name(std::string_view pointer) {
  std::string name;
  for (const std::string& token : pointer_tokens(pointer)) {
    if (!name.empty()) name += '.';
    name += token;
  }
  return name;
}

}  // namespace outrider::decode
