// SPDX-License-Identifier: Apache-2.0
#include "base/wire/csv.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

namespace outrider::wire {

namespace {
constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
}

Failure CsvReader::fail_here(std::string_view code, std::string_view what) const {
  return fail(code, "line " + std::to_string(line_) + ", field " +
                        std::to_string(row_.fields.size() + 1) + ": " + std::string(what));
}

Result<void> CsvReader::end_field() {
  if (row_.fields.size() >= limits_.fields_max) {
    return fail_here("csv_too_many_fields",
                     "more than " + std::to_string(limits_.fields_max) + " fields in a line");
  }
  row_.fields.push_back(std::move(field_));
  field_.clear();
  state_ = State::field_start;
  return {};
}

Result<void> CsvReader::end_row(const OnRow& on_row) {
  if (row_has_bytes_) {
    if (auto ended = end_field(); !ended) return ended;
    on_row(row_);
  }
  row_.fields.clear();
  row_has_bytes_ = false;
  ++line_;
  row_.line = line_;
  return {};
}

Result<void> CsvReader::step(char c, const OnRow& on_row) {
  if (state_ == State::quoted) {
    if (c == '"') {
      state_ = State::quote_in_quoted;
      return {};
    }
    if (c == '\n') ++line_;
    field_ += c;
  } else if (c == separator_) {
    row_has_bytes_ = true;
    return end_field();
  } else if (c == '\n') {
    if (!field_.empty() && field_.back() == '\r' && state_ == State::bare) field_.pop_back();
    if (row_.fields.empty() && field_.empty() && state_ == State::bare) row_has_bytes_ = false;
    return end_row(on_row);
  } else if (c == '"') {
    row_has_bytes_ = true;
    if (state_ == State::field_start) {
      state_ = State::quoted;
    } else if (state_ == State::quote_in_quoted) {
      field_ += '"';
      state_ = State::quoted;
    } else {
      return fail_here("csv_quote", "a quote inside a field that does not begin with one");
    }
  } else if (state_ == State::quote_in_quoted) {
    if (c != '\r') return fail_here("csv_quote", "text after the closing quote");
  } else {
    row_has_bytes_ = true;
    state_ = State::bare;
    field_ += c;
  }
  if (field_.size() > limits_.field_bytes_max) {
    return fail_here("csv_field_too_large",
                     "a field of more than " + std::to_string(limits_.field_bytes_max) + " bytes");
  }
  return {};
}

Result<void> CsvReader::feed(std::string_view bytes, const OnRow& on_row) {
  for (const char c : bytes) {
    if (at_start_) {
      if (c == byte_order_mark[bom_bytes_] && ++bom_bytes_ <= byte_order_mark.size()) {
        at_start_ = bom_bytes_ < byte_order_mark.size();
        continue;
      }
      at_start_ = false;
      for (std::size_t i = 0; i < bom_bytes_; ++i) {  // It only looked like a byte-order mark.
        if (auto stepped = step(byte_order_mark[i], on_row); !stepped) return stepped;
      }
    }
    if (auto stepped = step(c, on_row); !stepped) return stepped;
  }
  return {};
}

Result<void> CsvReader::finish(const OnRow& on_row) {
  if (state_ == State::quoted) {
    return fail("csv_open_quote",
                "line " + std::to_string(row_.line) +
                    ": a quoted field is never closed; the file may be cut short");
  }
  return row_has_bytes_ ? end_row(on_row) : Result<void>();
}

std::size_t CsvTable::column(std::string_view name) const {
  return static_cast<std::size_t>(std::find(header.begin(), header.end(), name) - header.begin());
}

std::optional<std::string> separator_mistake(const std::vector<std::string>& header) {
  if (header.size() != 1) return std::nullopt;
  for (const auto& [separator, name] : {std::pair{';', "';'"}, std::pair{'\t', "tabs"}}) {
    if (header[0].find(separator) == std::string::npos) continue;
    return std::string("the columns are separated by ") + name +
           ": expected ','; save the file as CSV with commas (and points in numbers)";
  }
  return std::nullopt;
}

Result<CsvTable> parse_csv(std::string_view text) {
  CsvTable table;
  std::optional<Error> ragged;
  const auto on_row = [&](const CsvRow& row) {
    if (table.header.empty()) {
      table.header = row.fields;
    } else if (row.fields.size() == table.header.size()) {
      table.rows.push_back(row);
    } else if (!ragged) {
      ragged = Error{"csv_ragged",
                     "line " + std::to_string(row.line) + ": " + std::to_string(row.fields.size()) +
                         " fields, but the header has " + std::to_string(table.header.size())};
    }
  };
  CsvReader reader;
  if (auto fed = reader.feed(text, on_row); !fed) return fail(fed);
  if (auto finished = reader.finish(on_row); !finished) return fail(finished);
  if (table.header.empty())
    return fail("csv_empty", "line 1: expected a header line with column names");
  if (const auto mistake = separator_mistake(table.header)) {
    return fail("csv_separator", "line 1: " + *mistake);
  }
  std::set<std::string_view> names;
  for (const std::string& name : table.header) {
    if (!names.insert(name).second) {
      return fail("csv_duplicate_column", "line 1: two columns are named '" + name + "'");
    }
  }
  if (ragged) return Failure(*ragged);
  return table;
}

std::string csv_field(std::string_view value) {
  if (value.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(value);
  std::string quoted = "\"";
  for (const char c : value) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace outrider::wire
