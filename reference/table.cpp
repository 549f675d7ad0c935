// SPDX-License-Identifier: Apache-2.0
#include "reference/table.h"

#include <algorithm>
#include <cstring>

#include "base/core/text.h"
#include "base/wire/json.h"

namespace outrider::reference {
namespace {

using detectors::Value;

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

bool says_missing(std::string_view text) {
  return text.empty() || text == "NA" || text == "N/A" || text == "null" || text == "NULL";
}

// A scalar of an NDJSON object; nothing when it is nested.
std::optional<Value> json_value(const wire::Json& json) {
  if (json.is_null()) return Value::none();
  if (json.is_boolean()) return Value::of(json.get<bool>() ? std::string_view("true") : "false");
  if (json.is_number()) return Value::of(json.get<double>());
  if (json.is_string()) return Value::of(std::string_view(json.get_ref<const std::string&>()));
  return std::nullopt;
}

}  // namespace

detectors::Value field_value(std::string_view text) {
  if (says_missing(text)) return Value::none();
  const auto number = parse_double(text);
  if (!number) return Value::of(text);
  Value value = Value::of(*number);
  value.text = text;
  return value;
}

Result<void> TableReader::feed(std::string_view bytes, const Visit& visit) {
  if (failed_) return Failure(*failed_);
  if (format_ == Format::unknown) {
    head_.append(bytes);
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
    return refuse("csv_empty", "no header line and no JSON object was found");
  }
  return outcome();
}

Result<void> TableReader::refuse(std::string_view code, std::string message) {
  if (!failed_) failed_ = Error{code, std::move(message)};
  return Failure(*failed_);
}

Result<void> TableReader::outcome() const {
  if (failed_) return Failure(*failed_);
  return {};
}

void TableReader::on_csv_row(const wire::CsvRow& row, const Visit& visit) {
  if (failed_) return;
  const std::string line = "line " + std::to_string(row.line) + ": ";
  if (columns_.empty()) {
    if (const auto mistake = wire::separator_mistake(row.fields)) {
      (void)refuse("csv_separator", line + *mistake);
      return;
    }
    for (const std::string& name : row.fields) {
      const std::string column(trim(name));
      if (std::find(columns_.begin(), columns_.end(), column) != columns_.end()) {
        (void)refuse("csv_duplicate_column", line + "column '" + column + "' appears twice");
        return;
      }
      columns_.push_back(column);
    }
    if (columns_.size() > columns_max) {
      (void)refuse("too_many_columns", line + std::to_string(columns_.size()) +
                                           " columns: expected at most " +
                                           std::to_string(columns_max));
    }
    return;
  }
  if (row.fields.size() != columns_.size()) {
    (void)refuse("csv_ragged", line + std::to_string(row.fields.size()) +
                                   " fields, but the header has " +
                                   std::to_string(columns_.size()));
    return;
  }
  values_.clear();
  for (const std::string& field : row.fields) values_.push_back(field_value(field));
  visit(row.line, values_);
}

void TableReader::on_json_line(const Visit& visit) {
  ++line_number_;
  const std::string line = std::exchange(line_, {});
  if (trim(line).empty()) return;
  auto json = wire::parse_json(line);
  if (!json || !json->is_object()) {
    (void)refuse("ndjson_line", "line " + std::to_string(line_number_) +
                                    ": expected one flat JSON object" +
                                    (json ? "" : ": " + json.error().message));
    return;
  }
  if (schema_known_) {
    visit_object(line_number_, *json, visit);
    return;
  }
  waiting_.emplace_back(line_number_, std::move(*json));
  if (waiting_.size() >= schema_rows) learn_schema(visit);
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
  for (const auto& [line, object] : waiting_) {
    if (!failed_) visit_object(line, object, visit);
  }
  waiting_.clear();
}

void TableReader::visit_object(std::uint64_t line, const wire::Json& object, const Visit& visit) {
  values_.assign(columns_.size(), Value::none());
  for (const auto& [name, json] : object.items()) {
    const auto column = column_by_name_.find(name);
    if (column == column_by_name_.end()) continue;
    const auto value = json_value(json);
    if (!value) {
      (void)refuse("ndjson_line",
                   "line " + std::to_string(line) + ": '" + name +
                       "' is nested: expected a number, a text, true, false or null");
      return;
    }
    values_[column->second] = *value;
  }
  visit(line, values_);
}

}  // namespace outrider::reference
