// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/request_body.h"

#include <algorithm>

#include "sidecar/monitor/decode/protocols/generic.h"
#include "sidecar/monitor/decode/protocols/protocols.h"

namespace outrider::decode {
namespace {

constexpr std::size_t names_max = 1 << 16;  // Of a frame's columns; the table's own limit is lower.

bool names_id(const FeatureRule& rule) {
  return rule.from.kind == Place::Kind::json ? rule.from.text == "/id" : rule.name == "id";
}

// The body's own id is looked for where the configuration says: it is no alias beside.
bool is_id(const Place& part) {
  return (part.kind == Place::Kind::json || part.kind == Place::Kind::row) && part.text == "/id";
}

}  // namespace

RequestBody::RequestBody(const Rules& rules)
    : rows_max_(rules.rows_max),
      features_count_(rules.features.size()),
      one_row_(rules.one_row),
      id_is_feature_(std::any_of(rules.features.begin(), rules.features.end(), names_id) ||
                     std::any_of(rules.key.begin(), rules.key.end(), is_id)) {}

void RequestBody::clear() {
  id_ = binary_ = {};
  has_root_ = is_flat_ = is_filled_ = false;
  row_counts_.clear();
  tensors_.clear();
  column_names_.clear();
}

Decoded<void> RequestBody::open(std::string_view json, std::string_view binary, RowTable& table) {
  clear();
  binary_ = binary;
  // Traffic is mostly of one kind, so what the last body was is tried first.
  if (last_was_flat_ && binary.empty()) {
    const auto done = read_flat(json, table);
    if (!done) return failed(done);
    if (*done) return {};
    table.clear();
    id_ = {};
  }
  if (open_again(json)) return count_rows();
  const auto root = tree_.parse(json);
  if (!root) return failed(root);
  root_ = *root;
  has_root_ = true;
  recognise(root_);
  last_was_flat_ = root_.is_object() && view_.containers.empty();
  return count_rows();
}

// The same JSON as last time with other values behind it: what it is, is known.
bool RequestBody::open_again(std::string_view json) {
  if (binary_.empty() || !tree_.holds(json)) return false;
  has_root_ = true;
  id_ = tree_id_;
  return true;
}

Decoded<void> RequestBody::count_rows() {
  if (shapes_.failure()) return failed(*shapes_.failure());
  if (shapes_.all().empty()) return failed(FailReason::unsupported_format);
  for (const RequestShape& shape : shapes_.all()) {
    if (shape.rows > rows_max_ || (one_row_ && shape.rows != 1)) continue;
    // As many values as the configuration names features: one row.
    if (shape.layout == Layout::tensors && shape.rows == features_count_ && features_count_ > 1 &&
        shapes_.all().back().layout == Layout::matrix_tensor) {
      continue;
    }
    if (std::find(row_counts_.begin(), row_counts_.end(), shape.rows) == row_counts_.end()) {
      row_counts_.push_back(shape.rows);
    }
  }
  if (row_counts_.empty()) {
    return failed(one_row_ ? FailReason::wrong_shape : FailReason::too_many_rows);
  }
  return {};
}

// True when the body is an object of values; they are in the table then. False leaves both to the
// tree, broken JSON too.
Decoded<bool> RequestBody::read_flat(std::string_view json, RowTable& table) {
  const auto opened = document_.open(json);
  if (!opened) return false;
  ondemand::object body;
  if ((*opened)->get_object().get(body) != simdjson::SUCCESS) return false;
  if (auto ok = table.begin_row(); !ok) return failed(ok);
  for (auto item : body) {
    if (item.error() != simdjson::SUCCESS) return false;
    auto&& field = std::move(item).value_unsafe();
    ondemand::json_type type{};
    if (field.value().type().get(type) != simdjson::SUCCESS) return false;
    if (type == ondemand::json_type::object || type == ondemand::json_type::array) return false;
    if (type == ondemand::json_type::string && !id_is_feature_ &&
        field.key().unsafe_is_equal("id")) {
      if (field.value().get_string().get(id_) != simdjson::SUCCESS) return false;
      continue;
    }
    if (const auto ok = table.add_value(field, type); !ok) {
      if (ok.error() == FailReason::wrong_shape) return failed(ok);  // A limit of the table.
      return false;
    }
  }
  // simdjson tells the end of the document as the lack of a location.
  if ((*opened)->current_location().error() != simdjson::OUT_OF_BOUNDS) return false;
  if (auto ok = table.end_row(); !ok) return failed(ok);
  is_flat_ = is_filled_ = true;
  row_counts_.push_back(1);
  return true;
}

void RequestBody::recognise(dom::element root) {
  shapes_.clear();
  tensors_of_tree_ = 0;
  tree_id_ = {};
  if (!root.is_object()) {
    view_.containers.clear();
    protocols::add_shapes(root, shapes_);
    return;
  }
  view_.look_at(root);
  find_id();
  tree_id_ = id_;
  if (!view_.containers.empty()) {
    for (const protocols::Protocol& protocol : protocols::table) {
      if (protocol.request && protocol.request(view_, shapes_)) return;
    }
  }
  protocols::add_object_shapes(root, shapes_);
}

void RequestBody::find_id() {
  if (id_is_feature_) return;
  if (const auto id = text_of(member(view_.root, "id"))) {
    id_ = *id;
  } else if (const auto meta = object_of(view_.container("meta"))) {
    id_ = text_of(member(*meta, "puid")).value_or(std::string_view());
  }
}

Decoded<void> RequestBody::fill(std::size_t rows, RowTable& table) {
  if (is_filled_ || shapes_.all().empty() || row_counts_.empty()) return {};
  const RequestShape* shape = &shapes_.all().front();
  for (const RequestShape& one : shapes_.all()) {
    if (one.rows == rows) {
      shape = &one;
      break;
    }
  }
  is_filled_ = true;
  const bool takes_binary =
      shape->layout == Layout::tensors || shape->layout == Layout::matrix_tensor;
  if (!takes_binary && !binary_.empty()) return failed(FailReason::wrong_shape);
  switch (shape->layout) {
    case Layout::row:
      return fill_row(*shape, table);
    case Layout::rows:
    case Layout::keyed_rows:
      return fill_rows(*shape, table);
    case Layout::columns:
      return fill_columns(*shape, table);
    case Layout::keyed_columns:
      return fill_keyed_columns(*shape, table);
    case Layout::matrix:
    case Layout::tensor:
      return fill_matrix(*shape, table);
    case Layout::tensors:
    case Layout::matrix_tensor:
      return fill_tensors(*shape, table);
  }
  return {};
}

Decoded<void> RequestBody::fill_row(const RequestShape& shape, RowTable& table) {
  const auto object = object_of(shape.at);
  if (!object) return table.add_row(shape.at, tree_);
  if (auto ok = table.begin_row(); !ok) return ok;
  for (const auto field : *object) {
    if (!id_is_feature_ && field.key == "id" && field.value.is_string()) continue;
    if (auto ok = table.add_field(field.key, field.value, tree_); !ok) return ok;
  }
  return table.end_row();
}

Decoded<void> RequestBody::fill_rows(const RequestShape& shape, RowTable& table) {
  const auto add = [&](dom::element row) -> Decoded<void> {
    const auto object = object_of(row);
    if (!object || shape.left_out.empty()) return table.add_row(row, tree_);
    if (auto ok = table.begin_row(); !ok) return ok;
    for (const auto field : *object) {
      if (field.key == shape.left_out) continue;
      if (auto ok = table.add_field(field.key, field.value, tree_); !ok) return ok;
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

Decoded<void> RequestBody::fill_columns(const RequestShape& shape, RowTable& table) {
  for (const auto field : object_in(shape.at)) {
    if (!field.value.is_array()) continue;
    const std::size_t left = tensors_.values_left();
    const auto column = tensors_.add();
    if (!column) return failed(column);
    (*column)->name = field.key;
    if (auto ok = read_nested(field.value, tree_, **column, true, left); !ok) return ok;
  }
  if (auto ok = table.add_columns(tensors_.all()); !ok) return ok;
  return add_beside(shape, table);
}

// {"a": {"0": 1, "1": 2}, "b": {"0": 3, "1": 4}}: every column has the same keys in the same order.
Decoded<void> RequestBody::fill_keyed_columns(const RequestShape& shape, RowTable& table) {
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
      (*column)->values.push_back(tree_.scalar(cell.value));
      ++row;
    }
    (*column)->shape = {row};
  }
  return table.add_columns(tensors_.all());
}

Decoded<void> RequestBody::fill_matrix(const RequestShape& shape, RowTable& table) {
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
                      ? read_nested(shape.at, tree_, **matrix, true, body_values_max)
                      : read_plain_tensor(object_in(shape.at), tree_, **matrix, body_values_max);
  if (!ok) return ok;
  return table.add_matrix(**matrix, column_names_);
}

Decoded<void> RequestBody::read_tensors(const RequestShape& shape) {
  bool are_binary = true;
  for (const dom::element element : list_in(shape.at)) {
    const std::size_t left = tensors_.values_left();
    const auto added = tensors_.add(object_in(element), tree_);
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

Decoded<void> RequestBody::fill_tensors(const RequestShape& shape, RowTable& table) {
  if (tensors_of_tree_ == 0 || !tensors_.take_again(tensors_of_tree_)) {
    if (auto ok = read_tensors(shape); !ok) return ok;
  }
  if (auto ok = tensors_.fill_binary(tree_, binary_, Bytes::may_be_opaque); !ok) return ok;
  if (shape.layout == Layout::tensors) return table.add_columns(tensors_.all());
  const Tensor& only = tensors_.all().front();
  if (auto ok = check_shape(only); !ok) return ok;
  return table.add_matrix(only, {});
}

// The single values beside a list of rows belong to each of them.
Decoded<void> RequestBody::add_beside(const RequestShape& shape, RowTable& table) {
  if (!shape.beside || table.rows() == 0) return {};
  beside_.clear();
  for (const auto field : *shape.beside) {
    if (is_container(field.value)) continue;
    if (!id_is_feature_ && field.key == "id" && field.value.is_string()) continue;
    beside_.emplace_back(field.key, tree_.scalar(field.value));
  }
  return beside_.empty() ? Decoded<void>{} : table.add_fields(beside_);
}

}  // namespace outrider::decode
