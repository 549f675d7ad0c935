// SPDX-License-Identifier: Apache-2.0
#pragma once

// Value: one feature of one prediction, as it came: a number, a text, or missing. A view: the text
// stays where it was decoded. 32 bytes, trivially copyable. A number may carry the text it was
// written as
// ("01234"): a categorical feature looks that up first, a numeric one ignores it.

#include <cstdint>
#include <limits>
#include <string_view>

namespace outrider::detectors {

struct Value {
  enum class Kind : std::uint8_t { missing, number, text };

  Kind kind = Kind::missing;
  double number = std::numeric_limits<double>::quiet_NaN();
  std::string_view text;

  static Value none() { return {}; }
  static Value of(double value) { return {Kind::number, value, {}}; }
  static Value of(std::string_view value) {
    return {Kind::text, std::numeric_limits<double>::quiet_NaN(), value};
  }
};

}  // namespace outrider::detectors
