// SPDX-License-Identifier: Apache-2.0
#pragma once

// A request's features as a table: names x rows, filled from JSON objects, arrays, columns or query
// parameters. Not thread-safe; one is used again for every exchange.
//
// While a request's keys come in the order of the last one's, a name costs one comparison and
// nothing is allocated (column_names.h). Rows whose keys differ get missing values where they lack
// one. Nested objects and arrays are flattened: {"a": {"b": [1, 2]}} has the features "a.b.0" and
// "a.b.1". Values of an array have no names: they are "x0", "x1", …

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "sidecar/monitor/decode/column_names.h"
#include "sidecar/monitor/decode/json.h"
#include "sidecar/monitor/decode/tensor.h"

namespace outrider::decode {

class RowTable {
 public:
  RowTable(std::size_t rows_max, std::size_t features_max)
      : rows_max_(rows_max), features_max_(features_max) {}

  void clear();

  // One more row: the fields of an object, the values of an array, or one value. wrong_shape,
  // too_many_rows, json_too_deep.
  Decoded<void> add_row(dom::element row, JsonTree& json);
  // One more row of named fields, one by one, between begin_row and end_row.
  Decoded<void> begin_row();
  Decoded<void> add_field(std::string_view name, dom::element value, JsonTree& json) {
    return add_named(name, value, json);
  }
  // The same of a flat object that is read on demand: wrong_type for a list or an object.
  Decoded<void> add_value(ondemand::field& field, ondemand::json_type type) {
    // The usual case: the very name that is expected here, byte by byte.
    if (names_.guesses_plain() && next_is_free() &&
        field.key().unsafe_is_equal(names_.guessed(position_))) {
      return read_scalar(field.value(), type, next_place());
    }
    return add_other_value(field, type);
  }
  Decoded<void> end_row();
  // Named values, as a query has them: a row of their own, or more features of every row there is
  // (a row's own value of that name stands).
  Decoded<void> add_fields(std::span<const std::pair<std::string_view, FeatureValue>> fields);

  // All rows at once, from columns of one length. A column of rank above one gives a feature for
  // each of its inner values. wrong_shape when lengths differ.
  // One column's values are taken over, not copied.
  Decoded<void> add_columns(std::span<Tensor> columns);
  // All rows at once, from a matrix and perhaps the names of its columns.
  Decoded<void> add_matrix(const Tensor& matrix, std::span<const std::string_view> names);

  // The names, once all rows are in. Valid until the next call.
  const FeatureNames* finish();

  std::size_t rows() const { return rows_; }
  std::span<const FeatureValue> row(std::size_t index) const {
    return {values_.data() + index * stride_, width_};
  }

 private:
  Decoded<void> add_values(dom::array array, JsonTree& json);
  Decoded<void> add_other_value(ondemand::field& field, ondemand::json_type type);
  Decoded<void> add_named(std::string_view name, dom::element value, JsonTree& json);
  Decoded<void> put(std::string_view name, const FeatureValue& value);
  // Whether the value at hand has the next place, when its name is the next one: in the first row
  // of a guessed list not after a name that came twice.
  bool next_is_free() const {
    return position_ < names_.count() && (rows_ > 0 || position_ == values_.size());
  }
  // Likewise, for a value without a name: positional names are alike in every list.
  bool next_is_positional() const { return names_.guesses_positional() && next_is_free(); }
  FeatureValue& next_place() {
    const std::size_t position = position_++;
    return rows_ == 0 ? values_.emplace_back() : values_[rows_ * stride_ + position];
  }
  Decoded<void> append_column(std::string_view name, const FeatureValue& value);
  Decoded<void> widen(std::size_t rows, std::size_t features);

  std::size_t rows_max_;
  std::size_t features_max_;
  ColumnNames names_;
  std::vector<FeatureValue> values_;  // Row by row.
  std::size_t rows_ = 0;
  std::size_t width_ = 0;   // Features of the rows that are whole.
  std::size_t stride_ = 0;  // Places of a row; more than width_ once a later row brought new names.
  std::size_t position_ = 0;  // In the row at hand.
};

}  // namespace outrider::decode
