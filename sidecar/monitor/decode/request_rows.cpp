// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/request_rows.h"

#include <algorithm>

namespace outrider::decode {
namespace {

constexpr std::size_t names_max = 1 << 16;  // Of a frame's columns; the table's own limit is lower.

}  // namespace

void RequestRows::clear() {
  tensors_.clear();
  column_names_.clear();
}

Decoded<void> RequestRows::fill(const RequestShape& shape, std::string_view binary,
                                RowTable& table) {
  const bool takes_binary =
      shape.layout == Layout::tensors || shape.layout == Layout::matrix_tensor;
  if (!takes_binary && !binary.empty()) return failed(FailReason::wrong_shape);
  switch (shape.layout) {
    case Layout::row:
      return fill_row(shape, table);
    case Layout::rows:
    case Layout::keyed_rows:
      return fill_rows(shape, table);
    case Layout::columns:
      return fill_columns(shape, table);
    case Layout::keyed_columns:
      return fill_keyed_columns(shape, table);
    case Layout::matrix:
    case Layout::tensor:
      return fill_matrix(shape, table);
    case Layout::tensors:
    case Layout::matrix_tensor:
      return fill_tensors(shape, binary, table);
  }
  return {};
}

Decoded<void> RequestRows::fill_row(const RequestShape& shape, RowTable& table) {
  const auto object = object_of(shape.at);
  if (!object) return table.add_row(shape.at, json_);
  if (auto ok = table.begin_row(); !ok) return ok;
  for (const auto field : *object) {
    if (!id_is_feature_ && field.key == "id" && field.value.is_string()) continue;
    if (auto ok = table.add_field(field.key, field.value, json_); !ok) return ok;
  }
  return table.end_row();
}

Decoded<void> RequestRows::fill_rows(const RequestShape& shape, RowTable& table) {
  const auto add = [&](dom::element row) -> Decoded<void> {
    const auto object = object_of(row);
    if (!object || shape.left_out.empty()) return table.add_row(row, json_);
    if (auto ok = table.begin_row(); !ok) return ok;
    for (const auto field : *object) {
      if (field.key == shape.left_out) continue;
      if (auto ok = table.add_field(field.key, field.value, json_); !ok) return ok;
    }
    return table.end_row();
  };
  if (const auto list = array_of(shape.at)) {
    for (const dom::element row : *list) {
      if (auto ok = add(row); !ok) return ok;
    }
  } else {
    for (const auto field : object_in(shape.at)) {
      if (auto ok = add(field.value); !ok) return ok;
    }
  }
  return add_beside(shape, table);
}

Decoded<void> RequestRows::fill_columns(const RequestShape& shape, RowTable& table) {
  for (const auto field : object_in(shape.at)) {
    if (!field.value.is_array()) continue;
    const std::size_t left = tensors_.values_left();
    const auto column = tensors_.add();
    if (!column) return failed(column);
    (*column)->name = field.key;
    if (auto ok = read_nested(field.value, json_, **column, true, left); !ok) return ok;
  }
  if (auto ok = table.add_columns(tensors_.all()); !ok) return ok;
  return add_beside(shape, table);
}

// {"a": {"0": 1, "1": 2}, "b": {"0": 3, "1": 4}}: every column has the same keys in the same order.
Decoded<void> RequestRows::fill_keyed_columns(const RequestShape& shape, RowTable& table) {
  std::vector<std::string_view> keys;
  for (const auto field : object_in(shape.at)) {
    const auto cells = object_of(field.value);
    if (!cells) return failed(FailReason::wrong_shape);
    const std::size_t left = tensors_.values_left();
    const auto column = tensors_.add();
    if (!column) return failed(column);
    (*column)->name = field.key;
    std::size_t row = 0;
    for (const auto cell : *cells) {
      if (tensors_.size() == 1) keys.push_back(cell.key);
      const bool fits = row < keys.size() && keys[row] == cell.key && row < left;
      if (!fits || is_container(cell.value)) return failed(FailReason::wrong_shape);
      (*column)->values.push_back(json_.scalar(cell.value));
      ++row;
    }
    (*column)->shape = {row};
  }
  return table.add_columns(tensors_.all());
}

Decoded<void> RequestRows::fill_matrix(const RequestShape& shape, RowTable& table) {
  const auto matrix = tensors_.add();
  if (!matrix) return failed(matrix);
  if (shape.names) {
    for (const dom::element name : *shape.names) {
      std::string_view text;
      OUTRIDER_TAKE(text, name.get_string());
      if (column_names_.size() >= names_max) return failed(FailReason::wrong_shape);
      column_names_.push_back(text);
    }
  }
  const auto ok = shape.layout == Layout::matrix
                      ? read_nested(shape.at, json_, **matrix, true, body_values_max)
                      : read_plain_tensor(object_in(shape.at), json_, **matrix, body_values_max);
  if (!ok) return ok;
  return table.add_matrix(**matrix, column_names_);
}

Decoded<void> RequestRows::read_tensors(const RequestShape& shape) {
  bool are_binary = true;
  for (const dom::element element : list_in(shape.at)) {
    const std::size_t left = tensors_.values_left();
    const auto added = tensors_.add(object_in(element), json_);
    if (!added) return failed(added);
    Tensor& tensor = **added;
    if (tensor.shape.empty()) return failed(FailReason::wrong_shape);
    are_binary = are_binary && tensor.is_binary && tensor.values.empty() && !tensor.is_elsewhere;
    if (!tensor.is_elsewhere) continue;
    // A missing value for each row: nobody can tell here what the model saw.
    tensor.values.assign(std::min<std::uint64_t>(tensor.shape.front(), left), {});
    tensor.shape.resize(1);
  }
  tensors_of_tree_ = are_binary ? tensors_.size() : 0;
  return {};
}

Decoded<void> RequestRows::fill_tensors(const RequestShape& shape, std::string_view binary,
                                        RowTable& table) {
  if (tensors_of_tree_ == 0 || !tensors_.take_again(tensors_of_tree_)) {
    if (auto ok = read_tensors(shape); !ok) return ok;
  }
  if (auto ok = tensors_.fill_binary(json_, binary, Bytes::may_be_opaque); !ok) return ok;
  if (shape.layout == Layout::tensors) return table.add_columns(tensors_.all());
  const Tensor& only = tensors_.all().front();
  if (auto ok = check_shape(only); !ok) return ok;
  return table.add_matrix(only, {});
}

// The single values beside a list of rows belong to each of them.
Decoded<void> RequestRows::add_beside(const RequestShape& shape, RowTable& table) {
  if (!shape.beside || table.rows() == 0) return {};
  beside_.clear();
  for (const auto field : *shape.beside) {
    if (is_container(field.value)) continue;
    if (!id_is_feature_ && field.key == "id" && field.value.is_string()) continue;
    beside_.emplace_back(field.key, json_.scalar(field.value));
  }
  return beside_.empty() ? Decoded<void>{} : table.add_fields(beside_);
}

}  // namespace outrider::decode
