// SPDX-License-Identifier: Apache-2.0
#include "predictor/train/dataset.h"

#include "base/config/yaml.h"
#include "base/core/digest.h"
#include "base/core/text.h"
#include "detectors/column_numbers.h"
#include "detectors/index_column.h"
#include "detectors/timestamp.h"
#include "detectors/value_reader.h"

namespace outrider::train {
namespace {

// The fields that are numbers by the column's mark only, as plain numbers.
void write_plainly(wire::CsvTable& table, std::size_t column, detectors::DecimalMark mark) {
  for (wire::CsvRow& row : table.rows) {
    std::string& field = row.fields[column];
    const detectors::Value value = detectors::read_value(field, mark);
    if (value.kind == detectors::Value::Kind::number &&
        detectors::parse_exact(trim(field)) != value.number) {
      field = format_double(value.number);
    }
  }
}

void survey_numbers(Dataset& dataset, std::size_t column,
                    const detectors::ColumnNumbers::Decision& decision) {
  const std::string& name = dataset.table.header[column];
  if (!decision.refusal.empty()) dataset.ambiguous_columns[name] = decision.refusal;
  if (!decision.mark) return;
  write_plainly(dataset.table, column, *decision.mark);
  dataset.notes.push_back("column '" + name + "' was read with " +
                          (*decision.mark == detectors::DecimalMark::comma
                               ? "a decimal comma"
                               : "marks between thousands"));
}

void survey_columns(Dataset& dataset) {
  wire::CsvTable& table = dataset.table;
  bool leads = true;  // Nothing but indices so far.
  for (std::size_t column = 0; column < table.header.size(); ++column) {
    const std::string& name = table.header[column];
    detectors::IndexColumn index(name);
    detectors::TimeColumn times(name);
    detectors::ColumnNumbers numbers;
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
      const detectors::Value value = detectors::read_value(table.rows[row].fields[column]);
      if (leads && index.possible()) index.add(value);
      times.add(value);
      numbers.add(value, row + 1);
    }
    leads = leads && index.holds();
    if (leads) {
      dataset.index_columns.push_back(name);
    } else if (times.holds()) {
      dataset.time_columns.push_back(name);
    } else {
      survey_numbers(dataset, column, numbers.decide());
    }
  }
}

}  // namespace

Result<Dataset> parse_dataset(std::string source, std::string_view text) {
  auto table = wire::parse_csv(text);
  if (!table) return fail(table.error().code, source + ": " + table.error().message);
  if (table->rows.empty()) {
    return fail("csv_no_rows", source + ": a header line but no row below it");
  }
  Dataset dataset{std::move(source), sha256_hex(text), std::move(*table)};
  survey_columns(dataset);
  return dataset;
}

Result<Dataset> load_dataset(const std::string& path, std::size_t bytes_max) {
  const auto text = config::read_file(path, bytes_max);
  if (!text) return fail(text);
  return parse_dataset(path, *text);
}

}  // namespace outrider::train
