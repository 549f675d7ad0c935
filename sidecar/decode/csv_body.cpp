// SPDX-License-Identifier: Apache-2.0
#include "sidecar/decode/csv_body.h"

#include <algorithm>

#include "base/core/text.h"
#include "base/wire/csv.h"

namespace outrider::decode {
namespace {

constexpr std::size_t piece_bytes = 64 << 10;  // Read between two looks at the limits.

bool is_number(const FeatureValue& value) {
  return value.kind == ValueKind::number;
}

}  // namespace

Decoded<void> CsvBody::read(std::string_view text) {
  if (holds_much({&matrix_, 1})) matrix_ = Tensor();
  matrix_.clear();
  matrix_.shape = {0, 0};
  names_.clear();
  kept_.clear();
  if (!is_valid_utf8(text)) return failed(FailReason::invalid_utf8);
  wire::CsvReader reader;
  Decoded<void> added;
  const auto on_row = [&](const wire::CsvRow& row) {
    if (added) added = add(row.fields);
  };
  while (!text.empty()) {
    const std::string_view piece = text.substr(0, piece_bytes);
    text.remove_prefix(piece.size());
    if (!reader.feed(piece, on_row)) return failed(FailReason::invalid_csv);
    if (!added) return added;
  }
  if (!reader.finish(on_row)) return failed(FailReason::invalid_csv);
  if (!added) return added;
  if (matrix_.shape[0] == 0) return failed(FailReason::wrong_shape);
  take_header();
  return {};
}

Decoded<void> CsvBody::add(const std::vector<std::string>& fields) {
  if (matrix_.shape[0] > rows_max_) return failed(FailReason::too_many_rows);  // One is a header.
  if (matrix_.shape[0] == 0) matrix_.shape[1] = fields.size();
  const bool fits = matrix_.values.size() + fields.size() <= body_values_max;
  if (!fits || fields.size() != matrix_.shape[1]) return failed(FailReason::wrong_shape);
  ++matrix_.shape[0];
  for (const std::string& field : fields) {
    const std::string_view text = trim(field);
    FeatureValue& value = matrix_.values.emplace_back();
    if (text.empty()) continue;
    if (const auto number = parse_double(text)) {
      value = FeatureValue::of(*number);
    } else {
      value = FeatureValue::of(std::string_view(kept_.emplace_back(text)));
    }
  }
  return {};
}

void CsvBody::take_header() {
  auto& values = matrix_.values;
  const auto second = values.begin() + static_cast<std::ptrdiff_t>(matrix_.shape[1]);
  const bool texts = std::all_of(values.begin(), second,
                                 [](const auto& value) { return value.kind == ValueKind::text; });
  if (!texts || std::none_of(second, values.end(), is_number)) return;
  for (auto value = values.begin(); value != second; ++value) names_.push_back(value->text);
  values.erase(values.begin(), second);
  --matrix_.shape[0];
}

}  // namespace outrider::decode
