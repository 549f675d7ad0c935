// SPDX-License-Identifier: Apache-2.0
#pragma once

// A table of training rows and where it came from.

#include <cstddef>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "base/wire/csv.h"

namespace outrider::train {

struct Dataset {
  std::string source;  // A path or a URL; for people and for retraining.
  std::string sha256;  // Of the bytes as they came.
  wire::CsvTable table;
};

// Errors: those of parse_csv, with the source's name, and "csv_no_rows".
Result<Dataset> parse_dataset(std::string source, std::string_view text);

// SHELL: reads the file. Errors also: "cannot_read", "file_too_large".
Result<Dataset> load_dataset(const std::string& path, std::size_t bytes_max);

}  // namespace outrider::train
