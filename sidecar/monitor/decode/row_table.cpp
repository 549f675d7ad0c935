// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/row_table.h"

#include <algorithm>

namespace outrider::decode {
namespace {

// Rows x features of one request: a few wide rows, or many narrow ones. A short body can ask for
// far more (one row of 10 000 keys, then thousands of empty ones).
constexpr std::size_t cells_max = 2 << 20;

}  // namespace

void RowTable::clear() {
  names_.clear();
  values_.clear();
  rows_ = width_ = stride_ = position_ = 0;
}

Decoded<void> RowTable::begin_row() {
  if (rows_ >= rows_max_) return failed(FailReason::too_many_rows);
  if ((rows_ + 1) * stride_ > cells_max) return failed(FailReason::too_many_rows);
  if (rows_ > 0) values_.resize((rows_ + 1) * stride_);
  position_ = 0;
  return {};
}

Decoded<void> RowTable::end_row() {
  if (rows_ == 0) {
    names_.end_first_row(position_);
    width_ = stride_ = names_.count();
  }
  ++rows_;
  return {};
}

Decoded<void> RowTable::add_row(dom::element row, JsonTree& json) {
  if (auto ok = begin_row(); !ok) return ok;
  if (const auto object = object_of(row)) {
    if (names_.are_positional()) return failed(FailReason::wrong_shape);
    for (const auto field : *object) {
      if (auto ok = add_named(field.key, field.value, json); !ok) return ok;
    }
    return end_row();
  }
  if (rows_ > 0 && !names_.are_positional()) return failed(FailReason::wrong_shape);
  names_.set_positional(true);
  if (const auto array = array_of(row)) {
    if (auto ok = add_values(*array, json); !ok) return ok;
  } else if (auto ok = put(names_.positional_name(0), json.scalar(row)); !ok) {
    return ok;
  }
  // Rows of a matrix have one length.
  if (rows_ > 0 && position_ != width_) return failed(FailReason::wrong_shape);
  return end_row();
}

Decoded<void> RowTable::add_fields(
    std::span<const std::pair<std::string_view, FeatureValue>> fields) {
  if (rows_ == 0) {
    if (auto ok = begin_row(); !ok) return ok;
    for (const auto& [name, value] : fields) {
      if (auto ok = put(name, value); !ok) return ok;
    }
    return end_row();
  }
  names_.own_all();
  for (const auto& [name, value] : fields) {
    if (names_.find(name) != ColumnNames::npos) continue;
    if (names_.count() >= features_max_) return failed(FailReason::wrong_shape);
    names_.append(name);
    if (auto ok = widen(rows_, width_ + 1); !ok) return ok;
    for (std::size_t row = 0; row < rows_; ++row) values_[row * stride_ + width_ - 1] = value;
  }
  names_.set_positional(false);
  return {};
}

Decoded<void> RowTable::add_other_value(ondemand::field& field, ondemand::json_type type) {
  std::string_view key;
  OUTRIDER_TAKE(key, field.unescaped_key());
  const auto value = read_scalar(field.value(), type);
  if (!value) return failed(value);
  return put(key, *value);
}

// The values of a list without names, of lists in it too, in their order.
Decoded<void> RowTable::add_values(dom::array array, JsonTree& json) {
  for (const dom::element element : array) {
    const dom::element_type type = element.type();
    if (type == dom::element_type::DOUBLE && next_is_positional()) {
      next_place() = FeatureValue::of(element.get_double().value_unsafe());  // Nearly always.
    } else if (type == dom::element_type::ARRAY) {
      if (auto ok = add_values(list_in(element), json); !ok) return ok;
    } else if (type == dom::element_type::OBJECT) {
      return failed(FailReason::wrong_shape);
    } else if (next_is_positional()) {
      next_place() = json.scalar(element);
    } else if (auto ok = put(names_.positional_name(position_), json.scalar(element)); !ok) {
      return ok;
    }
  }
  return {};
}

Decoded<void> RowTable::add_named(std::string_view name, dom::element value, JsonTree& json) {
  if (!is_container(value)) return put(name, json.scalar(value));
  const auto add = [&](std::string_view key, dom::element inner) -> Decoded<void> {
    const auto full = names_.keep(name, key);
    if (!full) return failed(full);
    return add_named(*full, inner, json);
  };
  if (const auto object = object_of(value)) {
    for (const auto field : *object) {
      if (auto ok = add(field.key, field.value); !ok) return ok;
    }
    return {};
  }
  std::size_t number = 0;
  for (const dom::element element : list_in(value)) {
    if (auto ok = add(std::to_string(number++), element); !ok) return ok;
  }
  return {};
}

Decoded<void> RowTable::put(std::string_view name, const FeatureValue& value) {
  if (next_is_free() && names_.at(position_) == name) {
    next_place() = value;
    return {};
  }
  if (rows_ == 0 && !names_.are_own()) names_.own(position_);
  const std::size_t place = names_.find(name);
  if (place == ColumnNames::npos) return append_column(name, value);
  if (rows_ == 0) {
    values_[place] = value;  // A key that came twice: the last one counts, as in most parsers.
  } else {
    values_[rows_ * stride_ + place] = value;
    position_ = std::max(position_, place + 1);
  }
  return {};
}

Decoded<void> RowTable::append_column(std::string_view name, const FeatureValue& value) {
  if (names_.count() >= features_max_) return failed(FailReason::wrong_shape);
  names_.own_all();
  names_.append(name);
  if (rows_ == 0) {
    values_.push_back(value);
    position_ = names_.count();
    return {};
  }
  if (names_.are_positional()) return failed(FailReason::wrong_shape);
  // A later row has a name that the first has not: all earlier rows lack its value.
  if (auto ok = widen(rows_ + 1, width_ + 1); !ok) return ok;
  values_[rows_ * stride_ + width_ - 1] = value;
  position_ = width_;
  return {};
}

// Room for more features in every row so far. Rows are moved apart by doubling, so that many new
// names cost no more than a few moves.
Decoded<void> RowTable::widen(std::size_t rows, std::size_t features) {
  if (features > stride_) {
    const std::size_t stride = std::max(features, stride_ * 2);
    if (rows * stride > cells_max) return failed(FailReason::wrong_shape);
    std::vector<FeatureValue> wider(rows * stride);
    for (std::size_t row = 0; row < rows; ++row) {
      std::copy_n(values_.begin() + static_cast<std::ptrdiff_t>(row * stride_), width_,
                  wider.begin() + static_cast<std::ptrdiff_t>(row * stride));
    }
    values_.swap(wider);
    stride_ = stride;
  }
  width_ = features;
  return {};
}

Decoded<void> RowTable::add_columns(std::span<Tensor> columns) {
  if (columns.empty()) return {};
  const std::uint64_t rows = columns.front().rows();
  if (rows > rows_max_) return failed(FailReason::too_many_rows);
  // One unnamed-by-feature matrix: its columns are known by their order only.
  const bool is_matrix = columns.size() == 1 && columns.front().values_a_row() > 1;
  std::uint64_t width = 0;
  for (const Tensor& column : columns) {
    if (auto ok = check_shape(column); !ok) return ok;
    if (column.rows() != rows) return failed(FailReason::wrong_shape);
    width += column.values_a_row();
    if (width > features_max_) return failed(FailReason::wrong_shape);
  }
  if (is_matrix) {
    names_.assign_positional(width);
  } else if (auto ok = names_.assign(columns); !ok) {
    return ok;
  }
  width_ = stride_ = width;
  rows_ = rows;
  if (columns.size() == 1) {
    values_.swap(columns.front().values);
    return {};
  }
  values_.resize(rows_ * width_);
  std::size_t first = 0;
  for (const Tensor& column : columns) {
    const std::uint64_t inner = column.values_a_row();
    for (std::size_t row = 0; row < rows_; ++row) {
      std::copy_n(column.values.begin() + static_cast<std::ptrdiff_t>(row * inner), inner,
                  values_.begin() + static_cast<std::ptrdiff_t>(row * width_ + first));
    }
    first += inner;
  }
  return {};
}

Decoded<void> RowTable::add_matrix(const Tensor& matrix, std::span<const std::string_view> names) {
  if (auto ok = check_shape(matrix); !ok) return ok;
  if (matrix.rows() > rows_max_) return failed(FailReason::too_many_rows);
  // A matrix of rank one is one row, as Seldon's clients send it.
  const bool one_row = matrix.shape.size() < 2;
  const std::uint64_t inner = one_row ? matrix.values.size() : matrix.values_a_row();
  if (inner > features_max_) return failed(FailReason::wrong_shape);
  if (!names.empty() && names.size() != inner) return failed(FailReason::wrong_shape);
  if (!names.empty()) {
    names_.assign(names);
  } else {
    names_.assign_positional(inner);
  }
  width_ = stride_ = inner;
  rows_ = one_row ? 1 : matrix.rows();
  values_.assign(matrix.values.begin(), matrix.values.end());
  return {};
}

const FeatureNames* RowTable::finish() {
  if (rows_ == 0 || names_.count() == 0) return nullptr;
  return names_.intern();
}

}  // namespace outrider::decode
