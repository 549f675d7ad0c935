// SPDX-License-Identifier: Apache-2.0
#include "sidecar/commands/file_survey.h"

#include <algorithm>
#include <cmath>

#include "base/core/text.h"
#include "detectors/value_reader.h"

namespace outrider::sidecar {
namespace {

using detectors::Value;

std::optional<Time> unix_time(double number) {
  const double seconds = std::abs(number) > 1e11 ? number / 1000 : number;
  if (!(seconds >= 0 && seconds < 9e9)) return std::nullopt;
  return Time{from_seconds(seconds)};
}

Error bad_time(std::uint64_t line, const std::string& seen) {
  return {"bad_time", "line " + std::to_string(line) + ": " + seen +
                          " in the time column: expected seconds since 1970 or a time such as "
                          "2026-01-31T12:00:00Z"};
}

}  // namespace

FileSurvey::FileSurvey(const std::vector<std::string>& names, std::vector<std::size_t> numeric,
                       std::size_t time)
    : names_(names),
      numeric_(std::move(numeric)),
      time_(time),
      numbers_(names.size()),
      marks_(names.size()) {
  std::erase_if(numeric_, [&](std::size_t column) { return column >= names.size(); });
}

void FileSurvey::take(std::uint64_t line, std::span<const Value> row) {
  ++rows_;
  for (const std::size_t column : numeric_) numbers_[column].add(row[column], rows_);
  if (time_ >= row.size() || mistake_) return;
  const Value& time = row[time_];
  if (time.kind == Value::Kind::missing) {
    mistake_ = bad_time(line, "nothing");
    return;
  }
  numeric_times_ = numeric_times_ && time.kind == Value::Kind::number;
  const bool readable = times_.readable();
  times_.add(text_of(time));
  if (readable && !times_.readable()) odd_time_line_ = line;
}

Result<void> FileSurvey::settle() {
  if (mistake_) return Failure(*mistake_);
  for (const std::size_t column : numeric_) {
    const auto decision = numbers_[column].decide();
    if (!decision.refusal.empty())
      return fail("ambiguous_numbers", "column '" + names_[column] + "': " + decision.refusal);
    marks_[column] = decision.mark;
    any_mark_ = any_mark_ || decision.mark;
  }
  if (time_ >= names_.size() || rows_ == 0) return {};
  const auto form = times_.form();
  const bool is_date = form && *form != detectors::MomentForm::unix_seconds &&
                       *form != detectors::MomentForm::unix_ms;
  if (numeric_times_ && !is_date) return {};  // Stamps, from 0 on.
  if (!form) {
    const std::string line =
        odd_time_line_ > 0 ? "line " + std::to_string(odd_time_line_) + ", " : std::string();
    return fail("bad_time", line + "column '" + names_[time_] + "': " + form.error().message);
  }
  form_ = *form;
  return {};
}

std::span<const Value> FileSurvey::read(std::span<const Value> row) {
  if (!any_mark_) return row;
  read_.assign(row.begin(), row.end());
  for (const std::size_t column : numeric_) {
    if (marks_[column] && !read_[column].text.empty())
      read_[column] = detectors::read_value(read_[column].text, *marks_[column]);
  }
  return read_;
}

Result<Time> FileSurvey::time_of(std::uint64_t line, const Value& value) {
  const auto time =
      form_ ? detectors::parse_moment(text_of(value), *form_) : unix_time(value.number);
  if (!time) return Failure(bad_time(line, "'" + std::string(text_of(value).substr(0, 40)) + "'"));
  return *time;
}

std::string_view FileSurvey::text_of(const Value& value) {
  if (!value.text.empty() || value.kind != Value::Kind::number) return value.text;
  scratch_.clear();
  append_double(scratch_, value.number);
  return scratch_;
}

}  // namespace outrider::sidecar
