// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/csv_body.h"

#include <algorithm>

#include "base/core/text.h"
#include "base/wire/csv.h"
#include "detectors/index_column.h"
#include "detectors/value_reader.h"

namespace outrider::decode {
namespace {

constexpr std::size_t piece_bytes = 64 << 10;  // Read between two looks at the limits.

FailReason to_reason(const Error& error) {
  return error.code == "csv_encoding" ? FailReason::invalid_utf8 : FailReason::invalid_csv;
}

bool is_listed(std::span<const std::string> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// A number or a boolean: no name of a column.
bool is_no_name(const FeatureValue& value) {
  return value.kind == ValueKind::number || detectors::as_number(value).has_value();
}

// "34;2100": numbers between separators that are no commas.
bool is_separated_otherwise(std::string_view text) {
  const std::size_t at = text.find_first_of(";\t|");
  if (at == text.npos) return false;
  const auto pieces = split(text, text[at]);
  return std::all_of(pieces.begin(), pieces.end(), [](std::string_view piece) {
    return detectors::read_value(piece).kind == ValueKind::number;
  });
}

}  // namespace

Decoded<void> CsvBody::read(std::string_view text, std::span<const std::string> known) {
  if (holds_much({&matrix_, 1})) matrix_ = Tensor();
  matrix_.clear();
  matrix_.shape = {0, 0};
  names_.clear();
  kept_.clear();
  wire::CsvReader reader;
  Decoded<void> added;
  const auto on_row = [&](const wire::CsvRow& row) {
    if (added) added = add(row.fields);
  };
  while (!text.empty()) {
    const std::string_view piece = text.substr(0, piece_bytes);
    text.remove_prefix(piece.size());
    const auto fed = reader.feed(piece, on_row);
    if (!added) return added;
    if (!fed) return failed(to_reason(fed.error()));
  }
  if (const auto whole = reader.finish(on_row); !whole) return failed(to_reason(whole.error()));
  if (!added) return added;
  if (matrix_.shape[0] == 0) return failed(FailReason::wrong_shape);
  if (matrix_.shape[1] == 1 && is_separated_otherwise(matrix_.values.back().text))
    return failed(FailReason::invalid_csv);
  if (has_header(known)) {
    take_header();
    drop_index(known);
  }
  return {};
}

Decoded<void> CsvBody::add(const std::vector<std::string>& fields) {
  if (matrix_.shape[0] > rows_max_) return failed(FailReason::too_many_rows);  // One is a header.
  if (matrix_.shape[0] == 0) {
    matrix_.shape[1] = fields.size();
    first_ = fields;
  }
  const bool fits = matrix_.values.size() + fields.size() <= body_values_max;
  if (!fits || fields.size() != matrix_.shape[1]) return failed(FailReason::wrong_shape);
  ++matrix_.shape[0];
  for (const std::string& field : fields) {
    FeatureValue& value = matrix_.values.emplace_back(detectors::read_value(field));
    if (value.kind == ValueKind::number) {
      const bool code = detectors::has_leading_zero(value.text);
      value.text = code ? keep(value.text) : std::string_view();
    } else if (value.kind == ValueKind::text && !detectors::as_number(value)) {
      value.text = keep(value.text);  // The texts of booleans stay anyway.
    }
  }
  return {};
}

bool CsvBody::has_header(std::span<const std::string> known) const {
  const std::size_t rows = matrix_.shape[0], columns = matrix_.shape[1];
  if (rows < 2) return false;
  const auto at = [&](std::size_t row, std::size_t column) -> const FeatureValue& {
    return matrix_.values[row * columns + column];
  };
  // Without a name, the first may be an index, beside others.
  const std::size_t begin = trim(first_[0]).empty() && columns > 1 ? 1 : 0;
  bool texts = true, all_known = !known.empty();
  for (std::size_t i = begin; i < columns; ++i) {
    texts = texts && at(0, i).kind == ValueKind::text && !is_no_name(at(0, i));
    all_known = all_known && is_listed(known, trim(first_[i]));
  }
  if (all_known) return true;
  if (!texts) return false;
  for (std::size_t row = 1; row < rows; ++row) {
    for (std::size_t i = begin; i < columns; ++i) {
      if (is_no_name(at(row, i))) return true;
    }
  }
  return false;
}

void CsvBody::take_header() {
  auto& values = matrix_.values;
  for (const std::string& field : first_) names_.push_back(keep(trim(field)));
  values.erase(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(matrix_.shape[1]));
  --matrix_.shape[0];
}

void CsvBody::drop_index(std::span<const std::string> known) {
  const std::size_t columns = matrix_.shape[1];
  std::size_t count = 0;
  for (; count + 1 < columns && !is_listed(known, names_[count]); ++count) {
    detectors::IndexColumn index(names_[count]);
    if (!index.possible()) break;
    for (std::size_t at = count; at < matrix_.values.size(); at += columns) {
      index.add(matrix_.values[at]);
    }
    if (!index.holds()) break;
  }
  if (count > 0) drop_first_columns(count);
}

void CsvBody::drop_first_columns(std::size_t count) {
  const std::size_t columns = matrix_.shape[1], left = columns - count;
  auto& values = matrix_.values;
  for (std::size_t row = 0; row < matrix_.shape[0]; ++row) {
    std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(row * columns + count), left,
                values.begin() + static_cast<std::ptrdiff_t>(row * left));
  }
  values.resize(matrix_.shape[0] * left);
  matrix_.shape[1] = left;
  names_.erase(names_.begin(), names_.begin() + static_cast<std::ptrdiff_t>(count));
}

}  // namespace outrider::decode
