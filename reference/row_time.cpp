// SPDX-License-Identifier: Apache-2.0
#include "reference/row_time.h"

#include <cmath>
#include <string>

#include "base/core/text.h"

namespace outrider::reference {

std::optional<Time> row_time(const detectors::Value& value) {
  using detectors::Value;
  if (value.kind == Value::Kind::number) {
    const double seconds = std::abs(value.number) > 1e11 ? value.number / 1000 : value.number;
    if (!(seconds >= 0 && seconds < 9e9)) return std::nullopt;
    return Time{from_seconds(seconds)};
  }
  if (value.kind != Value::Kind::text) return std::nullopt;
  std::string text(trim(value.text));
  if (text.size() == 10) text += "T00:00:00";
  if (text.size() > 10 && text[10] == ' ') text[10] = 'T';
  if (const auto time = parse_rfc3339(text)) return time;
  return parse_rfc3339(text + "Z");
}

}  // namespace outrider::reference
