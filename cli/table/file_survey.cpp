// SPDX-License-Identifier: Apache-2.0
#include "cli/table/file_survey.h"

#include <algorithm>

#include "detectors/value_reader.h"

namespace outrider::cli {

using detectors::Value;

FileSurvey::FileSurvey(const std::vector<std::string>& names, std::vector<std::size_t> numeric,
                       std::size_t time)
    : names_(names),
      numeric_(std::move(numeric)),
      time_(time),
      numbers_(names.size()),
      marks_(names.size()),
      times_(time < names.size() ? names[time] : "", "line") {
  std::erase_if(numeric_, [&](std::size_t column) { return column >= names.size(); });
}

void FileSurvey::take(std::uint64_t line, std::span<const Value> row) {
  ++rows_;
  for (const std::size_t column : numeric_) numbers_[column].add(row[column], rows_);
  if (time_ >= row.size() || mistake_) return;
  const Value& time = row[time_];
  if (time.kind == Value::Kind::missing) {
    mistake_ = times_.nothing_in(line);
    return;
  }
  times_.add(line, time);
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
  return times_.settle();
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
  return times_.time_of(line, value);
}

}  // namespace outrider::cli
