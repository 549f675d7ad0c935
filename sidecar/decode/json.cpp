// SPDX-License-Identifier: Apache-2.0
#include "sidecar/decode/json.h"

#include <cstring>

namespace outrider::decode {

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
  if (text.starts_with("\xEF\xBB\xBF"))
    text.remove_prefix(3);  // .NET's mark; servers pass over it.
  const std::size_t needed = text.size() + simdjson::SIMDJSON_PADDING;
  constexpr std::size_t kept_bytes = 1 << 20;  // A larger buffer is given back with the next body.
  if (needed > capacity_ || (capacity_ > kept_bytes && needed <= kept_bytes)) {
    capacity_ = std::max(needed, std::size_t{16} << 10);
    buffer_ = std::make_unique<char[]>(capacity_);
  }
  if (!text.empty()) std::memcpy(buffer_.get(), text.data(), text.size());
  std::memset(buffer_.get() + text.size(), 0, simdjson::SIMDJSON_PADDING);
  const auto code = parser_.iterate(buffer_.get(), text.size(), capacity_).get(document_);
  if (code != simdjson::SUCCESS) return failed(to_reason(code));
  return &document_;
}

Decoded<FeatureValue> read_scalar(ondemand::value value) {
  ondemand::json_type type{};
  if (value.type().get(type) != simdjson::SUCCESS) {
    // Python's json module writes NaN and Infinity, which JSON does not have.
    const std::string_view token = value.raw_json_token();
    const bool number_like = token.starts_with("NaN") || token.starts_with("Inf");
    return failed(number_like ? FailReason::invalid_number : FailReason::invalid_json);
  }
  return read_scalar(value, type);
}

Decoded<FeatureValue> read_scalar(ondemand::value value, ondemand::json_type type) {
  switch (type) {
    case ondemand::json_type::number: {
      double number = 0;  // simdjson takes -Infinity for one that is of the wrong type.
      if (value.get_double().get(number) != simdjson::SUCCESS) {
        return failed(FailReason::invalid_number);
      }
      return FeatureValue::of(number);
    }
    case ondemand::json_type::string: {
      std::string_view text;
      OUTRIDER_TAKE(text, value.get_string());
      return FeatureValue::of(text);
    }
    case ondemand::json_type::boolean: {
      bool flag = false;
      OUTRIDER_TAKE(flag, value.get_bool());
      return FeatureValue::of(flag ? std::string_view("true") : std::string_view("false"));
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

Decoded<void> expect_end(ondemand::document& document) {
  // simdjson tells the end of the document as the lack of a location.
  if (document.current_location().error() != simdjson::OUT_OF_BOUNDS) {
    return failed(FailReason::invalid_json);
  }
  return {};
}

std::string flattened_name(std::string_view pointer) {
  std::string name;
  for (std::size_t i = pointer.starts_with('/') ? 1 : 0; i < pointer.size(); ++i) {
    if (pointer[i] == '/') {
      name += '.';
    } else if (pointer[i] == '~' && i + 1 < pointer.size() && pointer[i + 1] == '0') {
      name += '~';
      ++i;
    } else if (pointer[i] == '~' && i + 1 < pointer.size() && pointer[i + 1] == '1') {
      name += '/';
      ++i;
    } else {
      name += pointer[i];
    }
  }
  return name;
}

}  // namespace outrider::decode
