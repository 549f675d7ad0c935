// SPDX-License-Identifier: Apache-2.0
#include "base/wire/csv.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <optional>
#include <set>
#include <utility>

#include "base/core/text.h"

namespace outrider::wire {

namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
constexpr std::string_view save_as_utf8 = "save the file as UTF-8";

bool is_ascii(std::string_view bytes) {
  unsigned char all = 0;
  for (const char c : bytes) all = static_cast<unsigned char>(all | static_cast<unsigned char>(c));
  return all < 0x80;
}

// "the byte 0xFC": the first one with which the text is no longer UTF-8.
std::string first_bad_byte(std::string_view text) {
  std::size_t good = 0;
  for (std::size_t end = 1; end <= text.size(); ++end) {
    if (is_valid_utf8(text.substr(0, end))) good = end;
  }
  if (good == text.size()) return "a byte further on";
  char shown[8];
  std::snprintf(shown, sizeof shown, "0x%02X",
                static_cast<unsigned>(static_cast<unsigned char>(text[good])));
  return std::string("the byte ") + shown;
}

std::string separated_by(char separator) {
  const std::string name = separator == '\t' ? "tabs" : std::string("'") + separator + "'";
  return "the columns are separated by " + name +
         ": expected ','; save the file as CSV with commas (and points in numbers)";
}

}  // namespace

std::optional<std::string> encoding_mistake(std::string_view beginning) {
  const bool utf16 = beginning.starts_with("\xFF\xFE") || beginning.starts_with("\xFE\xFF");
  const bool utf32 = beginning.starts_with(std::string_view("\0\0\xFE\xFF", 4));
  if (!utf16 && !utf32) return std::nullopt;
  return std::string(utf16 ? "UTF-16, not UTF-8" : "UTF-32, not UTF-8") + ": " +
         std::string(save_as_utf8) + (utf16 ? ", e.g. by iconv -f utf-16 -t utf-8" : "");
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
  if (!ascii_ && !is_valid_utf8(field_)) {
    return fail_here("csv_encoding", "not UTF-8 (" + first_bad_byte(field_.substr(0, 4096)) +
                                         "): " + std::string(save_as_utf8) +
                                         ", e.g. by iconv -f latin1 -t utf-8");
  }
  row_.fields.push_back(std::move(field_));
  field_.clear();
  state_ = State::field_start;
  return {};
}

Result<void> CsvReader::end_row(const OnRow& on_row) {
  if (row_has_bytes_) {
    if (auto ended = end_field(); !ended) return ended;
    at_header_ = false;
    on_row(row_);
  }
  row_.fields.clear();
  row_has_bytes_ = false;
  state_ = State::field_start;  // Also of a line that held only a CR.
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
    const bool header = row_.line == 1 && row_.fields.empty();
    if (header && (c == ';' || c == '\t' || c == '|'))
      return fail("csv_separator", "line 1: " + separated_by(c));
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

Result<void> CsvReader::take(char c, const OnRow& on_row) {
  if (!passing_over_) {
    auto stepped = step(c, on_row);
    const bool may_pass = on_bad_row_ && row_.line == line_ && !at_header_ && !stepped &&
                          stepped.error().code != "csv_field_too_large";
    if (stepped || !may_pass) return stepped;
    on_bad_row_(row_.line, stepped.error());
    passing_over_ = true;
  }
  if (c != '\n') return {};
  passing_over_ = false;
  field_.clear();
  row_.fields.clear();
  state_ = State::field_start;
  row_has_bytes_ = false;
  row_.line = ++line_;
  return {};
}

Result<void> CsvReader::feed(std::string_view bytes, const OnRow& on_row) {
  if (ascii_ && !is_ascii(bytes)) ascii_ = false;
  if (at_start_ && bom_bytes_ == 0) {
    if (const auto mistake = encoding_mistake(bytes))
      return fail("csv_encoding", "line 1: " + *mistake);
  }
  const std::size_t nul = bytes.find('\0');
  if (auto fed = feed_clean(bytes.substr(0, nul), on_row); !fed || nul == bytes.npos) return fed;
  return fail_here("csv_encoding", "a NUL byte: the text is UTF-16 or no text at all, not UTF-8; " +
                                       std::string(save_as_utf8));
}

Result<void> CsvReader::feed_clean(std::string_view bytes, const OnRow& on_row) {
  for (const char c : bytes) {
    if (at_start_) {
      if (c == byte_order_mark[bom_bytes_] && ++bom_bytes_ <= byte_order_mark.size()) {
        at_start_ = bom_bytes_ < byte_order_mark.size();
        continue;
      }
      at_start_ = false;
      for (std::size_t i = 0; i < bom_bytes_; ++i) {  // It only looked like a byte-order mark.
        if (auto stepped = take(byte_order_mark[i], on_row); !stepped) return stepped;
      }
    }
    if (auto stepped = take(c, on_row); !stepped) return stepped;
  }
  return {};
}

Result<void> CsvReader::finish(const OnRow& on_row) {
  if (state_ == State::quoted) {
    return fail("csv_open_quote",
                "line " + std::to_string(row_.line) +
                    ": a quoted field is never closed; the file may be cut short");
  }
  if (!row_has_bytes_ || passing_over_) return {};
  auto ended = end_row(on_row);
  if (ended || !on_bad_row_) return ended;
  on_bad_row_(row_.line, ended.error());
  return {};
}

std::size_t CsvTable::column(std::string_view name) const {
  return static_cast<std::size_t>(std::find(header.begin(), header.end(), name) - header.begin());
}

std::optional<std::string> separator_mistake(const std::vector<std::string>& header) {
  if (header.size() != 1) return std::nullopt;
  for (const char separator : {';', '\t', '|'}) {
    if (header[0].find(separator) != std::string::npos) return separated_by(separator);
  }
  return std::nullopt;
}

std::optional<Error> header_mistake(const std::vector<std::string>& header) {
  if (const auto mistake = separator_mistake(header)) return Error{"csv_separator", *mistake};
  std::set<std::string_view> names;
  for (const std::string& name : header) {
    if (names.insert(name).second) continue;
    return Error{"csv_duplicate_column",
                 name.empty() ? "two columns have no name; name them"
                              : "two columns are named '" + name + "'; rename or remove one"};
  }
  return std::nullopt;
}

std::string ragged_row(std::size_t fields, std::size_t header_fields) {
  return std::to_string(fields) + " fields, but the header has " + std::to_string(header_fields) +
         (fields == header_fields + 1 ? "; look for a comma at the end of lines, or row names "
                                        "without a name (R's write.table: "
                                        "row.names = FALSE)"
                                      : "");
}

Result<CsvTable> parse_csv(std::string_view text) {
  CsvTable table;
  std::optional<Error> failed;
  const auto on_row = [&](const CsvRow& row) {
    if (failed) return;
    const std::string line = "line " + std::to_string(row.line) + ": ";
    if (table.header.empty()) {
      for (const std::string& name : row.fields) table.header.emplace_back(trim(name));
      if (const auto mistake = header_mistake(table.header))
        failed = Error{mistake->code, line + mistake->message};
    } else if (row.fields.size() == table.header.size()) {
      table.rows.push_back(row);
    } else {
      failed = Error{"csv_ragged", line + ragged_row(row.fields.size(), table.header.size())};
    }
  };
  CsvReader reader;
  auto read = reader.feed(text, on_row);
  if (read) read = reader.finish(on_row);
  if (failed) return Failure(*failed);
  if (!read) return fail(read);
  if (table.header.empty())
    return fail("csv_empty", "line 1: nothing; expected a header line with column names");
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
