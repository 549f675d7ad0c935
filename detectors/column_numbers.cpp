// SPDX-License-Identifier: Apache-2.0
#include "detectors/column_numbers.h"

namespace outrider::detectors {
namespace {

constexpr double share_min = 0.95;

bool is_share(std::uint64_t part, std::uint64_t whole) {
  return static_cast<double>(part) >= share_min * static_cast<double>(whole);
}

}  // namespace

void ColumnNumbers::add(const Value& value, std::uint64_t row) {
  if (value.kind == Value::Kind::missing) return;
  ++values_;
  const std::string_view text = value.text;
  const bool number = value.kind == Value::Kind::number;
  if (text.find_first_of(".,' \xC2\xE2") == text.npos) {  // No mark at all: the same either way.
    numbers_ += number ? 1 : 0;
    return;
  }
  // Both grammars also read what they have no marks for: exponents and infinities of plain numbers.
  const auto plain = parse_exact(text);
  auto point = parse_marked(text, DecimalMark::point);
  if (!point) point = plain;
  const auto comma = parse_marked(text, DecimalMark::comma);
  if (!point && !comma) return;
  ++numbers_;
  marked_ += plain ? 0 : 1;
  if (point && !comma) {
    ++point_only_;
    point_example_.take(text, row);
  } else if (comma && !point) {
    ++comma_only_;
    comma_example_.take(text, row);
  } else if (*point != *comma && !plain) {
    open_example_.take(text, row);
  }
}

ColumnNumbers::Decision ColumnNumbers::decide() const {
  if (marked_ == 0 || !is_share(numbers_, values_)) return {};
  const std::uint64_t telling = point_only_ + comma_only_;
  if (telling > 0 && is_share(point_only_, telling)) return {DecimalMark::point, ""};
  if (telling > 0 && is_share(comma_only_, telling)) return {DecimalMark::comma, ""};
  constexpr const char* advice =
      "write numbers without marks between thousands and with a point, as 1234.5";
  if (telling > 0) {
    return {std::nullopt, comma_example_.shown() + " has a decimal comma and " +
                              point_example_.shown() + " a decimal point; " + advice};
  }
  if (open_example_.text.empty()) return {DecimalMark::point, ""};  // Blanks and apostrophes only.
  return {std::nullopt, open_example_.shown() +
                            " may have a decimal comma or a comma between thousands, and no other "
                            "value of the column tells; " +
                            advice};
}

}  // namespace outrider::detectors
