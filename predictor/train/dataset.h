// SPDX-License-Identifier: Apache-2.0
#pragma once

// A table of training rows, where it came from, and what its columns say of their values.

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/wire/csv.h"

namespace outrider::train {

struct Dataset {
  std::string source;  // A path or a URL; for people and for retraining.
  std::string sha256;  // Of the bytes as they came.
  wire::CsvTable table;
  std::vector<std::string> index_columns = {};  // What pandas and R number rows by: no features.
  std::vector<std::string> time_columns = {};   // Of dates and times: no features either.
  // Columns of numbers whose decimal mark cannot be told, and why.
  std::map<std::string, std::string> ambiguous_columns = {};
  std::vector<std::string> notes = {};  // Columns that were read by other marks than a point.
};

// Where a column writes its numbers with a decimal comma or marks between thousands, and says so
// without doubt (detectors/column_numbers.h), its fields become plain numbers.
// Errors: those of parse_csv, with the source's name, and "csv_no_rows".
Result<Dataset> parse_dataset(std::string source, std::string_view text);

// SHELL: reads the file. Errors also: "cannot_read", "file_too_large".
Result<Dataset> load_dataset(const std::string& path, std::size_t bytes_max);

}  // namespace outrider::train
