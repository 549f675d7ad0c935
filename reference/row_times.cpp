// SPDX-License-Identifier: Apache-2.0
#include "reference/row_times.h"

#include <cmath>

#include "base/core/in_quotes.h"
#include "base/core/text.h"

namespace outrider::reference {
namespace {

using detectors::Value;

std::optional<Time> unix_time(double number) {
  const double seconds = std::abs(number) > 1e11 ? number / 1000 : number;
  if (!(seconds >= 0 && seconds < 9e9)) return std::nullopt;
  return Time{from_seconds(seconds)};
}

}  // namespace

Error RowTimes::bad_time(std::uint64_t row, const std::string& seen) const {
  return {"bad_time", counted_ + " " + std::to_string(row) + ": " + seen +
                          " in the time column: expected seconds since 1970 or a time such as "
                          "2026-01-31T12:00:00Z"};
}

void RowTimes::add(std::uint64_t row, const Value& value) {
  if (value.kind == Value::Kind::missing) return;
  any_ = true;
  numeric_ = numeric_ && value.kind == Value::Kind::number;
  const bool readable = times_.readable();
  times_.add(text_of(value));
  if (readable && !times_.readable()) odd_row_ = row;
}

Result<void> RowTimes::settle() {
  if (!any_) return {};
  const auto form = times_.form();
  const bool is_date = form && *form != detectors::TimestampForm::unix_seconds &&
                       *form != detectors::TimestampForm::unix_ms;
  if (numeric_ && !is_date) return {};  // Stamps, from 0 on.
  if (!form) {
    const std::string at =
        odd_row_ > 0 ? counted_ + " " + std::to_string(odd_row_) + ", " : std::string();
    return fail("bad_time", at + "column '" + column_ + "': " + form.error().message);
  }
  form_ = *form;
  return {};
}

Result<Time> RowTimes::time_of(std::uint64_t row, const Value& value) {
  if (value.kind == Value::Kind::missing) return Failure(nothing_in(row));
  const auto time =
      form_ ? detectors::parse_timestamp(text_of(value), *form_) : unix_time(value.number);
  if (!time) return Failure(bad_time(row, in_quotes(text_of(value))));
  return *time;
}

std::string_view RowTimes::text_of(const Value& value) {
  if (!value.text.empty() || value.kind != Value::Kind::number) return value.text;
  scratch_.clear();
  append_double(scratch_, value.number);
  return scratch_;
}

}  // namespace outrider::reference
