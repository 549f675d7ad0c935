// SPDX-License-Identifier: Apache-2.0
#pragma once

// Rows of a table as values: CSV (RFC 4180, a header line) or NDJSON (one flat object a line), told
// apart by the first byte that is not blank. PURE and streaming: the caller feeds bytes in pieces.
//
//   TableReader table;
//   auto ok = table.feed(piece, [&](std::uint64_t line, std::span<const detectors::Value> row) { …
//   }); ok = table.finish(visit);
//   table.columns()
//
// CSV fields and NDJSON's strings are read by detectors/value_reader.h, each alone; their texts
// come along. NDJSON: columns are those of the first `schema_rows` objects, in order of appearance,
// and later keys are ignored; null and an absent key are missing, true and false are the texts
// "true" and "false"; integers that no double holds are texts; a nested value is refused by name.

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/core/result.h"
#include "base/wire/csv.h"
#include "base/wire/json.h"
#include "detectors/value.h"

namespace outrider::reference {

class TableReader {
 public:
  using Visit = std::function<void(std::uint64_t line, std::span<const detectors::Value> row)>;
  static constexpr std::size_t columns_max = 4096;
  static constexpr std::size_t line_bytes_max = 16 << 20;
  static constexpr std::size_t schema_rows = 100;

  // Rows that cannot be read are told and passed over from now on, each by its line: a ragged row
  // of CSV, a quote out of place, bytes that are not UTF-8, a line that is no flat JSON object. The
  // header is still an error, and so is an open quote.
  using OnBadRow = std::function<void(std::uint64_t line, const std::string& why)>;
  void pass_over_bad_rows(OnBadRow on_bad_row);
  // The values of these columns alone are read; those of others are missing, nested or not.
  void read_only(std::vector<std::string> columns) { only_ = std::move(columns); }

  // Errors: those of CsvReader; "csv_empty", "csv_separator", "csv_duplicate_column", "csv_ragged";
  // "ndjson_line" (not one flat object), "ndjson_line_too_long", "ndjson_encoding" (not UTF-8),
  // "too_many_columns". The first error stays.
  Result<void> feed(std::string_view bytes, const Visit& visit);
  Result<void> finish(const Visit& visit);

  // Known once the header line (CSV) or the first objects (NDJSON) are in.
  const std::vector<std::string>& columns() const { return columns_; }

 private:
  enum class Format { unknown, csv, ndjson };

  Result<void> feed_known(std::string_view bytes, const Visit& visit);
  Result<void> refuse(std::string_view code, std::string message);
  void refuse_row(std::uint64_t line, std::string_view code, const std::string& what);
  Result<void> outcome() const;
  void on_csv_row(const wire::CsvRow& row, const Visit& visit);
  void on_json_line(const Visit& visit);
  void learn_schema(const Visit& visit);
  void choose_columns();
  void visit_object(std::uint64_t line, const wire::Json& object, const Visit& visit);

  Format format_ = Format::unknown;
  std::string head_;  // What came before the format was known.
  wire::CsvReader csv_;
  std::optional<Error> failed_;
  OnBadRow on_bad_row_;
  std::vector<std::string> only_;  // Empty: all.
  std::vector<bool> is_read_;      // Of columns_.
  std::vector<std::string> columns_;
  std::unordered_map<std::string, std::size_t> column_by_name_;
  bool schema_known_ = false;
  std::vector<std::pair<std::uint64_t, wire::Json>> waiting_;  // The first objects, by line.
  std::string line_;
  std::uint64_t line_number_ = 0;
  std::vector<detectors::Value> values_;
  std::deque<std::string> kept_;  // Texts of the row at hand that had to be made.
};

}  // namespace outrider::reference
