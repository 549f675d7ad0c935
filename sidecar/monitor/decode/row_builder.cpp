// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/row_builder.h"

#include <algorithm>
#include <utility>

#include "sidecar/monitor/decode/json_pointer.h"

namespace outrider::decode {

void RowBuilder::clear() {
  selection_.clear();
  rows_.clear();
  if (!kept_.empty()) kept_.clear();
}

void RowBuilder::build(RowTable& table, RequestBody& request, KeyReader& keys,
                       std::span<const Prediction> predictions, Observation& observation) {
  table_names_ = table.finish();
  selected_.clear();
  Features features{table_names_};
  if (selects()) {
    features = select(table, request, predictions.size());
  } else if (table_names_ && !keys.empty()) {
    features = leave_out_key(table, keys, predictions.size());
  }
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    Row row;
    if (features.are_selected) {
      row.features = {selected_.data() + i * features.width, features.width};
    } else if (features.names) {
      row.features = table.row(i);
    }
    row.prediction = predictions[i];
    row.failed = row.prediction.value.kind == ValueKind::missing;
    if (!rules_.segments.empty()) row.segment = segment_of(features.names, row.features);
    rows_.push_back(row);
  }
  observation.names = features.names;
  observation.rows = rows_;
}

RowBuilder::Features RowBuilder::select(const RowTable& table, RequestBody& request,
                                        std::size_t rows) {
  const std::size_t width = selection_.names()->names.size();
  selected_.reserve(rows * width);
  for (std::size_t i = 0; i < rows; ++i) {
    selection_.select(table_names_, table_names_ ? table.row(i) : std::span<const FeatureValue>(),
                      selected_);
  }
  if (request.root()) select_from_body(request, rows, width);
  return {selection_.names(), true, width};
}

// A pointer leads from the whole body; what it finds there belongs to every row, or is a list of as
// many.
void RowBuilder::select_from_body(RequestBody& request, std::size_t rows, std::size_t width) {
  for (std::size_t place = 0; place < width; ++place) {
    const std::span<const std::string> tokens = selection_.pointer(place);
    if (tokens.empty()) continue;
    const auto found = follow(tokens, *request.root());
    if (!found) continue;
    const auto value_of = [&](dom::element value) {
      return selection_.as_configured(request.json().scalar(value), place);
    };
    if (!is_container(*found)) {
      const FeatureValue value = value_of(*found);
      for (std::size_t row = 0; row < rows; ++row) selected_[row * width + place] = value;
    } else if (const auto list = array_of(found); list && list->size() == rows) {
      std::size_t row = 0;
      for (const dom::element value : *list) selected_[row++ * width + place] = value_of(value);
    }
  }
}

// What names a prediction says nothing of it: a key is a feature only where request.features names
// it.
RowBuilder::Features RowBuilder::leave_out_key(const RowTable& table, KeyReader& keys,
                                               std::size_t rows) {
  const KeyReader::Features& left = keys.without_key(*table_names_);
  if (left.names && left.places.empty()) return {table_names_};
  selected_.reserve(rows * left.places.size());
  for (std::size_t i = 0; i < rows; ++i) {
    const std::span<const FeatureValue> row = table.row(i);
    for (const std::size_t place : left.places) selected_.push_back(row[place]);
  }
  return {left.names, left.names != table_names_, left.names ? left.names->names.size() : 0};
}

std::string_view RowBuilder::segment_of(const FeatureNames* names,
                                        std::span<const FeatureValue> values) {
  constexpr std::size_t segment_bytes_max = 128;
  std::string text, scratch;
  for (const std::string& wanted : rules_.segments) {
    std::string_view value;
    if (names) {
      const auto found = std::find(names->names.begin(), names->names.end(), wanted);
      const auto place = static_cast<std::size_t>(found - names->names.begin());
      if (place < values.size()) value = as_category(values[place], scratch);
    }
    if (!text.empty()) text += ',';
    text.append(wanted).append("=").append(value);
  }
  if (text.size() > segment_bytes_max) return "other";
  return kept_.emplace_back(std::move(text));
}

}  // namespace outrider::decode
