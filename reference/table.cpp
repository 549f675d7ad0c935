// SPDX-License-Identifier: Apache-2.0
#include "reference/table.h"

#include <algorithm>
#include <cstring>

#include "base/core/text.h"
#include "base/wire/json.h"
#include "detectors/value_reader.h"

namespace outrider::reference {
namespace {

using detectors::Value;

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

// Where the value is an integer that no double holds, `digits` takes its text.
Value integer_value(const wire::Json& json, std::string& digits) {
  const bool exact = json.is_number_unsigned() ? detectors::is_exact(json.get<std::uint64_t>())
                                               : detectors::is_exact(json.get<std::int64_t>());
  if (exact) return Value::of(json.get<double>());
  digits = json.dump();
  return Value::of(std::string_view(digits));
}

// A scalar of an NDJSON object; nothing when it is nested.
std::optional<Value> json_value(const wire::Json& json, std::deque<std::string>& kept) {
  if (json.is_null()) return Value::none();
  if (json.is_boolean()) return detectors::boolean_value(json.get<bool>());
  if (json.is_number_integer()) return integer_value(json, kept.emplace_back());
  if (json.is_number()) return Value::of(json.get<double>());
  if (json.is_string()) return detectors::read_value(json.get_ref<const std::string&>());
  return std::nullopt;
}

}  // namespace

Result<void> TableReader::feed(std::string_view bytes, const Visit& visit) {
  if (failed_) return Failure(*failed_);
  if (format_ == Format::unknown) {
    head_.append(bytes);
    if (const auto mistake = wire::encoding_mistake(head_))
      return refuse("csv_encoding", "line 1: " + *mistake);
    std::string_view rest = head_;
    if (rest.starts_with(byte_order_mark)) rest.remove_prefix(byte_order_mark.size());
    const auto first = rest.find_first_not_of(" \t\r\n");
    const bool cut_mark = byte_order_mark.starts_with(rest) && rest.size() < byte_order_mark.size();
    if (first == std::string_view::npos || cut_mark) {
      if (head_.size() > line_bytes_max) return refuse("csv_empty", "nothing but blanks");
      return {};
    }
    format_ = rest[first] == '{' ? Format::ndjson : Format::csv;
    const std::string head = std::move(head_);
    head_.clear();
    return feed_known(
        format_ == Format::ndjson ? std::string_view(head).substr(head.find('{')) : head, visit);
  }
  return feed_known(bytes, visit);
}

Result<void> TableReader::feed_known(std::string_view bytes, const Visit& visit) {
  if (format_ == Format::csv) {
    auto ok = csv_.feed(bytes, [&](const wire::CsvRow& row) { on_csv_row(row, visit); });
    if (!ok && !failed_) failed_ = ok.error();
    return outcome();
  }
  while (!bytes.empty() && !failed_) {
    const auto end = bytes.find('\n');
    line_.append(bytes.substr(0, end));
    if (line_.size() > line_bytes_max) {
      return refuse("ndjson_line_too_long", "line " + std::to_string(line_number_ + 1) +
                                                ": longer than " + format_bytes(line_bytes_max));
    }
    if (end == std::string_view::npos) break;
    bytes.remove_prefix(end + 1);
    on_json_line(visit);
  }
  return outcome();
}

Result<void> TableReader::finish(const Visit& visit) {
  if (failed_) return Failure(*failed_);
  if (format_ == Format::csv) {
    auto ok = csv_.finish([&](const wire::CsvRow& row) { on_csv_row(row, visit); });
    if (!ok && !failed_) failed_ = ok.error();
  } else if (format_ == Format::ndjson) {
    if (!line_.empty()) on_json_line(visit);
    if (!failed_ && !schema_known_) learn_schema(visit);
  }
  if (!failed_ && columns_.empty()) {
    return refuse("csv_empty",
                  "line 1: nothing; expected a header line with column names, or JSON objects");
  }
  return outcome();
}

Result<void> TableReader::refuse(std::string_view code, std::string message) {
  if (!failed_) failed_ = Error{code, std::move(message)};
  return Failure(*failed_);
}

void TableReader::pass_over_bad_rows(OnBadRow on_bad_row) {
  on_bad_row_ = std::move(on_bad_row);
  csv_.pass_over_bad_rows([this](std::size_t line, const Error& error) {
    // The message begins with the line.
    on_bad_row_(line, error.message.substr(error.message.find(": ") + 2));
  });
}

void TableReader::refuse_row(std::uint64_t line, std::string_view code, const std::string& what) {
  if (on_bad_row_) return on_bad_row_(line, what);
  (void)refuse(code, "line " + std::to_string(line) + ": " + what);
}

Result<void> TableReader::outcome() const {
  if (failed_) return Failure(*failed_);
  return {};
}

void TableReader::on_csv_row(const wire::CsvRow& row, const Visit& visit) {
  if (failed_) return;
  const std::string line = "line " + std::to_string(row.line) + ": ";
  if (columns_.empty()) {
    for (const std::string& name : row.fields) columns_.emplace_back(trim(name));
    if (const auto mistake = wire::header_mistake(columns_)) {
      (void)refuse(mistake->code, line + mistake->message);
      columns_.clear();
    } else if (columns_.size() > columns_max) {
      (void)refuse("too_many_columns", line + std::to_string(columns_.size()) +
                                           " columns: expected at most " +
                                           std::to_string(columns_max));
    }
    choose_columns();
    return;
  }
  if (row.fields.size() != columns_.size()) {
    refuse_row(row.line, "csv_ragged", wire::ragged_row(row.fields.size(), columns_.size()));
    return;
  }
  values_.clear();
  for (std::size_t i = 0; i < row.fields.size(); ++i) {
    values_.push_back(is_read_[i] ? detectors::read_value(row.fields[i]) : Value::none());
  }
  visit(row.line, values_);
}

void TableReader::on_json_line(const Visit& visit) {
  ++line_number_;
  const std::string line = std::exchange(line_, {});
  if (trim(line).empty()) return;
  if (!is_valid_utf8(line)) {
    refuse_row(line_number_, "ndjson_encoding",
               "not UTF-8; save the file as UTF-8, e.g. by iconv -f latin1 -t utf-8");
    return;
  }
  auto json = wire::parse_json(line);
  if (!json || !json->is_object()) {
    refuse_row(line_number_, "ndjson_line",
               "expected one flat JSON object" + (json ? "" : ": " + json.error().message));
    return;
  }
  if (schema_known_) {
    visit_object(line_number_, *json, visit);
    return;
  }
  waiting_.emplace_back(line_number_, std::move(*json));
  if (waiting_.size() >= schema_rows) learn_schema(visit);
}

void TableReader::choose_columns() {
  is_read_.assign(columns_.size(), only_.empty());
  for (const std::string& name : only_) {
    const auto found = std::find(columns_.begin(), columns_.end(), name);
    if (found != columns_.end())
      is_read_[static_cast<std::size_t>(found - columns_.begin())] = true;
  }
}

void TableReader::learn_schema(const Visit& visit) {
  schema_known_ = true;
  for (const auto& [line, object] : waiting_) {
    for (const auto& [name, value] : object.items()) {
      if (column_by_name_.emplace(name, columns_.size()).second) columns_.push_back(name);
    }
  }
  if (columns_.size() > columns_max) {
    (void)refuse("too_many_columns", std::to_string(columns_.size()) +
                                         " keys in the first objects: expected at most " +
                                         std::to_string(columns_max));
    return;
  }
  choose_columns();
  for (const auto& [line, object] : waiting_) {
    if (!failed_) visit_object(line, object, visit);
  }
  waiting_.clear();
}

void TableReader::visit_object(std::uint64_t line, const wire::Json& object, const Visit& visit) {
  values_.assign(columns_.size(), Value::none());
  kept_.clear();
  for (const auto& [name, json] : object.items()) {
    const auto column = column_by_name_.find(name);
    if (column == column_by_name_.end() || !is_read_[column->second]) continue;
    const auto value = json_value(json, kept_);
    if (!value) {
      refuse_row(line, "ndjson_line",
                 "'" + name + "' is nested: expected a number, a text, true, false or null");
      return;
    }
    values_[column->second] = *value;
  }
  visit(line, values_);
}

}  // namespace outrider::reference
