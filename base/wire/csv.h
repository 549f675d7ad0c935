// SPDX-License-Identifier: Apache-2.0
#pragma once

// CSV as RFC 4180 has it: quoted fields, doubled quotes, line ends LF or CRLF, a byte-order mark
// skipped. PURE and streaming: feed bytes in pieces of any size, rows come out whole.
//
//   CsvReader reader;
//   while (read a piece) { auto ok = reader.feed(piece, [&](const CsvRow& row) { ... }); if (!ok)
//   ... } auto ok = reader.finish(on_row);

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace outrider::wire {

struct CsvRow {
  std::size_t line = 0;  // Where the row begins, from 1.
  std::vector<std::string> fields;
};

class CsvReader {
 public:
  struct Limits {
    std::size_t field_bytes_max = 1 << 20;
    std::size_t fields_max = 10'000;
  };
  using OnRow = std::function<void(const CsvRow&)>;
  using OnBadRow = std::function<void(std::size_t line, const Error&)>;

  explicit CsvReader(char separator = ',') : CsvReader(separator, Limits{}) {}
  CsvReader(char separator, Limits limits) : separator_(separator), limits_(limits) {}

  // Rows that cannot be read are told and passed over from now on, each up to its line's end: what
  // is wrong with a field that ends on the line on which its row began. Everything else stays an
  // error: a quote that is open over several lines may have swallowed rows.
  void pass_over_bad_rows(OnBadRow on_bad_row) { on_bad_row_ = std::move(on_bad_row); }

  // Errors, each with its line: "csv_quote" (a quote in the middle of a bare field, or text after a
  // closing quote), "csv_field_too_large", "csv_too_many_fields", "csv_encoding" (not UTF-8:
  // UTF-16, a NUL, Latin-1 and others), "csv_separator" (quoted names with ; or tabs between them).
  // Empty lines are skipped.
  Result<void> feed(std::string_view bytes, const OnRow& on_row);
  // The end of the input: a last line without line end, or "csv_open_quote".
  Result<void> finish(const OnRow& on_row);

 private:
  enum class State { field_start, bare, quoted, quote_in_quoted };

  Result<void> feed_clean(std::string_view bytes, const OnRow& on_row);
  Result<void> step(char c, const OnRow& on_row);
  Result<void> end_field();
  Result<void> end_row(const OnRow& on_row);
  Result<void> take(char c, const OnRow& on_row);
  Failure fail_here(std::string_view code, std::string_view what) const;

  char separator_;
  Limits limits_;
  State state_ = State::field_start;
  std::string field_;
  CsvRow row_{1, {}};
  std::size_t line_ = 1;
  std::size_t bom_bytes_ = 0;
  bool at_start_ = true;
  bool row_has_bytes_ = false;
  bool ascii_ = true;  // No byte so far had its highest bit set.
  OnBadRow on_bad_row_;
  bool at_header_ = true;      // Nothing can be said of rows below a header that cannot be read.
  bool passing_over_ = false;  // The rest of a bad row's line.
};

// Nothing, or what is wrong with a header line of one column that looks like several, separated by
// ; | or tabs: the text for an error "csv_separator".
std::optional<std::string> separator_mistake(const std::vector<std::string>& header);
// That, or "csv_duplicate_column"; the message has no place in it.
std::optional<Error> header_mistake(const std::vector<std::string>& header);
// What to say of a row that has not as many fields as the header.
std::string ragged_row(std::size_t fields, std::size_t header_fields);
// Nothing, or what is wrong with the beginning of a text that is UTF-16 or UTF-32 by its byte-order
// mark: the text for an error "csv_encoding".
std::optional<std::string> encoding_mistake(std::string_view beginning);

// A whole text with a header line, whose names lose the blanks around them. Every row must have as
// many fields as the header: "csv_ragged" otherwise; "csv_empty" without a header; "csv_separator";
// "csv_duplicate_column".
struct CsvTable {
  std::vector<std::string> header;
  std::vector<CsvRow> rows;
  // The column's index, or the header's size when there is none of that name.
  std::size_t column(std::string_view name) const;
};
Result<CsvTable> parse_csv(std::string_view text);

// A field as a CSV writer must put it: quoted only where needed.
std::string csv_field(std::string_view value);

}  // namespace outrider::wire
