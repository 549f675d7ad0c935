// SPDX-License-Identifier: Apache-2.0
#pragma once

// How a column writes its numbers: which mark stands before the decimals. "1,234" alone may be 1234
// or 1.234; beside "12,5" it is 1.234, beside "1,234.5" it is 1234. PURE. Memory: three texts.
//
//   ColumnNumbers numbers;
//   for (cell : column) numbers.add(read_value(cell), row);
//   const auto decision = numbers.decide();
//   if (!decision.refusal.empty()) …          // It cannot be told: what was seen, what to write.
//   if (decision.mark) value = read_value(cell, *decision.mark);
//
// Cost: an integer costs nothing but a look at its letters; a text with marks two parses.

#include <cstdint>
#include <optional>
#include <string>

#include "detectors/value_reader.h"

namespace outrider::detectors {

class ColumnNumbers {
 public:
  // A value as read_value(text) read it; its text speaks. Missing and numbers without a text say
  // nothing. Rows count from 1, below the header.
  void add(const Value& value, std::uint64_t row);

  struct Decision {
    // Set when some cells are numbers only by their marks, and one decimal mark reads 95 % of those
    // that tell.
    std::optional<DecimalMark> mark;
    // Not empty when the column is of numbers (95 % of its values) and the mark cannot be told.
    std::string refusal;
  };
  Decision decide() const;

 private:
  struct Example {
    std::string text;
    std::uint64_t row = 0;
    void take(std::string_view seen, std::uint64_t at) {
      if (text.empty()) *this = {std::string(seen.substr(0, 40)), at};
    }
    std::string shown() const { return "'" + text + "' (row " + std::to_string(row) + ")"; }
  };

  std::uint64_t values_ = 0;
  std::uint64_t numbers_ = 0;     // By one mark or the other.
  std::uint64_t marked_ = 0;      // Of them, those that plain grammar does not read.
  std::uint64_t point_only_ = 0;  // Numbers only if the point is the decimal mark …
  std::uint64_t comma_only_ = 0;  // … or only if the comma is.
  Example point_example_, comma_example_;
  Example open_example_;  // A text with a comma that is another number either way.
};

}  // namespace outrider::detectors
