// SPDX-License-Identifier: Apache-2.0
#pragma once

// Dates and times as tables write them. PURE.
//
// A column has one form, so that 1/2/2015 is never guessed row by row. Where its cells leave open
// whether days or months come first, it is refused: the newest rows would be others.
//
//   MomentColumn column;
//   for (text : column) column.add(text);
//   auto form = column.form();          // or "bad_time", with what to write
//   auto time = parse_timestamp(text, *form);

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "detectors/value.h"

namespace outrider::detectors {

// rfc3339      2015-01-31T10:00:00Z, 2015-01-31 10:00:00.5+01:00
// iso          2015-01-31, 2015/01/31, with a blank or T before 10:00, 10:00:00, 10:00:00.5; UTC
// compact      20150131, 20150131T100000
// month_first  1/31/2015, 1-31-2015, with a time as above or 10:00 PM
// day_first    31/1/2015, 31-1-2015, 31.1.2015, likewise
// named_month  31-Jan-2015, 31 January 2015, 31JAN2015, Jan 31, 2015; likewise
// unix_seconds, unix_ms   of the years 1973 to 2128, so that they are told apart from each other and plain numbers
enum class TimestampForm : std::uint8_t {
  rfc3339,
  iso,
  compact,
  month_first,
  day_first,
  named_month,
  unix_seconds,
  unix_ms
};
inline constexpr std::size_t moment_forms = 8;

// Blanks around the text are refused.
std::optional<Time> parse_timestamp(std::string_view text, TimestampForm form);

// Which forms read every text of a column. O(1) memory.
class MomentColumn {
 public:
  void add(std::string_view text);
  // Whether some form reads all texts so far.
  bool readable() const { return forms_ != 0; }
  // The form that reads all of them. Error "bad_time": none does, with the text where the last one
  // gave up; or months and days may stand in either order.
  Result<TimestampForm> form() const;

 private:
  std::uint32_t forms_ = (1u << moment_forms) - 1;
  std::string example_;  // The first text: for the message.
  std::string odd_;      // Where the last form gave up.
};

// The times of a column's texts, blanks around them or not. Errors as MomentColumn::form.
Result<std::vector<Time>> parse_timestamps(const std::vector<std::string_view>& texts);

// Whether a text is a date, a time of day or both for certain, in one of the forms above but plain
// digits, also with a year of two digits, or a month ("2015-01"). Not a version (1.2.15), not a
// telephone number.
bool looks_like_timestamp(std::string_view text);

// Whether a column holds times, which are no feature: at least 95 % of its values look like it; or
// all are days written 20150131, and there are 20 or the name says so; or the name says so and all
// are seconds or milliseconds since 1970.
class TimeColumn {
 public:
  explicit TimeColumn(std::string_view name);
  void add(const Value& value);
  bool holds() const;

 private:
  bool named_ = false;
  std::uint64_t values_ = 0, texts_ = 0, days_ = 0, seconds_ = 0, milliseconds_ = 0;
};

}  // namespace outrider::detectors
