// SPDX-License-Identifier: Apache-2.0
#pragma once

// Rows of a table as values: CSV (RFC 4180, a header line) or NDJSON (one flat object a line), told
// apart by the first byte that is not blank. PURE and streaming: the caller feeds bytes in pieces.
//
//   TableReader table;
//   auto ok = table.feed(piece, [&](std::size_t line, std::span<const detectors::Value> row) { …
//   }); … ok = table.finish(visit);   table.columns()
//
// A field is missing when it is empty, or NA, N/A, null or NULL without quotes being told apart;
// "nan" and "inf" are numbers. NDJSON: columns are those of the first `schema_rows` objects, in
// order of appearance; null is missing, true and false are the texts "true" and "false"; nested
// values are refused by name.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/wire/csv.h"
#include "detectors/value.h"

namespace outrider::reference {

class TableReader {
 public:
  using Visit = std::function<void(std::uint64_t line, std::span<const detectors::Value> row)>;
  static constexpr std::size_t columns_max = 4096;
  static constexpr std::size_t line_bytes_max = 16 << 20;
  static constexpr std::size_t schema_rows = 100;

  // Errors: those of CsvReader; "csv_empty", "csv_duplicate_column", "csv_ragged"; "ndjson_line"
  // (not one flat object), "ndjson_line_too_long", "too_many_columns".
  Result<void> feed(std::string_view bytes, const Visit& visit);
  Result<void> finish(const Visit& visit);

  // Known once the header line (CSV) or the first objects (NDJSON) are in.
  const std::vector<std::string>& columns() const { return columns_; }

 private:
  Result<void> on_csv_row(const wire::CsvRow& row, const Visit& visit);
  Result<void> on_json_line(const Visit& visit);
  void visit_object(std::uint64_t line,
                    const std::vector<std::pair<std::size_t, std::string>>& fields,
                    const Visit& visit);

  enum class Format { unknown, csv, ndjson } format_ = Format::unknown;
  wire::CsvReader csv_;
  std::optional<Error> failed_;
  std::vector<std::string> columns_;
  std::string line_;
  std::uint64_t line_number_ = 0;
  std::vector<detectors::Value> values_;
};

// A field's text as a value, as above: missing, a number that carries its text, or a text.
detectors::Value field_value(std::string_view text);

}  // namespace outrider::reference
