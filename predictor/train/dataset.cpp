// SPDX-License-Identifier: Apache-2.0
#include "predictor/train/dataset.h"

#include "base/config/yaml.h"
#include "base/core/digest.h"

namespace outrider::train {

Result<Dataset> parse_dataset(std::string source, std::string_view text) {
  auto table = wire::parse_csv(text);
  if (!table) return fail(table.error().code, source + ": " + table.error().message);
  if (table->rows.empty()) {
    return fail("csv_no_rows", source + ": a header line but no row below it");
  }
  return Dataset{std::move(source), sha256_hex(text), std::move(*table)};
}

Result<Dataset> load_dataset(const std::string& path, std::size_t bytes_max) {
  const auto text = config::read_file(path, bytes_max);
  if (!text) return fail(text);
  return parse_dataset(path, *text);
}

}  // namespace outrider::train
