// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/message_body.h"

#include <algorithm>
#include <cmath>

#include "base/core/text.h"

namespace outrider::decode {
namespace {

// Buffers that one large message made are not kept for the small ones that follow.
constexpr std::size_t kept_bytes = 256 << 10, kept_tensors = 256;

bool is_special(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\';
}

}  // namespace

void JsonText::text(std::string_view value) {
  text_ += '"';
  while (!value.empty()) {
    const auto special = std::find_if(value.begin(), value.end(), is_special);
    const auto plain = static_cast<std::size_t>(special - value.begin());
    text_ += value.substr(0, plain);
    value.remove_prefix(plain);
    if (value.empty()) break;
    const char c = value.front();
    value.remove_prefix(1);
    text_ += '\\';
    if (c == '"' || c == '\\') {
      text_ += c;
      continue;
    }
    constexpr std::string_view digits = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    text_ += "u00";
    text_ += digits[byte >> 4];
    text_ += digits[byte & 15];
  }
  text_ += '"';
}

void JsonText::number(double value) {
  if (std::isnan(value)) {
    text_ += "NaN";
  } else if (std::isinf(value)) {
    text_ += value < 0 ? "-Infinity" : "Infinity";
  } else {
    text_ += format_double(value);
  }
}

void MessageBody::clear() {
  if (binary.capacity() > kept_bytes) binary = {};
  if (tensors.capacity() > kept_tensors) tensors = {};
  if (raw_contents.capacity() > kept_tensors) raw_contents = {};
  binary.clear();
  model_name = model_version = id = {};
  tensors.clear();
  raw_contents.clear();
}

void MessageBody::restart() {
  if (json.text().size() > kept_bytes) json = {};
  if (skeleton.size() > kept_bytes) skeleton = {};
  json.clear();
  skeleton.clear();
  around = {};
}

}  // namespace outrider::decode
