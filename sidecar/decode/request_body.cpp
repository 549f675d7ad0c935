// SPDX-License-Identifier: Apache-2.0
#include "sidecar/decode/request_body.h"

#include <algorithm>

namespace outrider::decode {
namespace {

constexpr std::size_t tensors_max = 4'096;
constexpr std::size_t names_max = 1 << 16;  // Of a frame's columns; the table's own limit is lower.

bool names_id(const FeatureRule& rule) {
  return rule.from.kind == Place::Kind::json ? rule.from.text == "/id" : rule.name == "id";
}

}  // namespace

RequestBody::RequestBody(const Rules& rules)
    : id_is_feature_(std::any_of(rules.features.begin(), rules.features.end(), names_id)) {}

Decoded<void> RequestBody::read(std::string_view json, std::string_view binary, RowTable& table) {
  id_ = {};
  protocol_ = Protocol::flat;
  if (holds_much(tensors_)) tensors_.clear();
  tensor_count_ = 0;
  column_names_.clear();
  const auto opened = json_.open(json);
  if (!opened) return failed(opened);
  ondemand::document& document = **opened;

  ondemand::json_type type{};
  OUTRIDER_TAKE(type, document.type());
  if (type == ondemand::json_type::object) {
    ondemand::object body;
    OUTRIDER_TAKE(body, document.get_object());
    if (auto ok = read_object(body, table); !ok) return ok;
  } else if (type == ondemand::json_type::array) {
    ondemand::value rows;
    OUTRIDER_TAKE(rows, document.get_value());
    if (auto ok = read_rows(rows, table); !ok) return ok;
  } else {
    return failed(FailReason::unsupported_format);
  }
  if (auto ok = expect_end(document); !ok) return ok;
  if (protocol_ == Protocol::columns || protocol_ == Protocol::matrix) {
    const std::span<Tensor> tensors(tensors_.data(), tensor_count_);
    if (auto ok = read_binary(tensors, binary, values_left()); !ok) return ok;
    if (protocol_ == Protocol::columns) return table.add_columns(tensors);
    if (tensors.empty()) return failed(FailReason::wrong_shape);
    return table.add_matrix(tensors.front(), column_names_);
  }
  return binary.empty() ? Decoded<void>{} : failed(FailReason::wrong_shape);
}

Decoded<void> RequestBody::read_object(ondemand::object body, RowTable& table) {
  if (auto ok = table.begin_row(); !ok) return ok;
  for (auto item : body) {
    OUTRIDER_NAME(field, item);
    ondemand::json_type type{};
    const bool known = field.value().type().get(type) == simdjson::SUCCESS;
    if (known && (type == ondemand::json_type::object || type == ondemand::json_type::array)) {
      const auto taken = read_protocol(field.key(), field.value(), type, table);
      if (!taken) return failed(taken);
      if (*taken) continue;
    }
    if (protocol_ == Protocol::flat) {
      if (auto ok = table.add_field(field, id_is_feature_ ? nullptr : &id_); !ok) return ok;
    } else if (known && type == ondemand::json_type::string && field.key().unsafe_is_equal("id")) {
      OUTRIDER_TAKE(id_, field.value().get_string());
    }
  }
  return protocol_ == Protocol::flat ? table.end_row() : Decoded<void>{};
}

// True when the field belongs to a protocol and was read as that. What was taken for features of a
// flat object before ("signature_name") is forgotten then.
Decoded<bool> RequestBody::read_protocol(ondemand::raw_json_string key, ondemand::value value,
                                         ondemand::json_type type, RowTable& table) {
  const bool object = type == ondemand::json_type::object;
  Decoded<void> ok;
  if (key.unsafe_is_equal("instances") || key.unsafe_is_equal("dataframe_records")) {
    start_over(table);
    ok = object ? read_inputs(value, table) : read_rows(value, table);
  } else if (key.unsafe_is_equal("inputs")) {
    start_over(table);
    ok = read_inputs(value, table);
  } else if (object && (key.unsafe_is_equal("data") || key.unsafe_is_equal("dataframe_split"))) {
    start_over(table);
    protocol_ = Protocol::matrix;
    ondemand::object frame;
    OUTRIDER_TAKE(frame, value.get_object());
    ok = read_frame(frame);
  } else if (object && key.unsafe_is_equal("meta") && protocol_ == Protocol::matrix) {
    ondemand::object meta;
    OUTRIDER_TAKE(meta, value.get_object());
    for (auto item : meta) {
      ondemand::field field;
      OUTRIDER_TAKE(field, item);
      if (field.key().unsafe_is_equal("puid")) OUTRIDER_TAKE(id_, field.value().get_string());
    }
  } else {
    return false;
  }
  if (!ok) return failed(ok);
  return true;
}

// A protocol's key that comes twice: the last one counts, as in most parsers.
void RequestBody::start_over(RowTable& table) {
  table.clear();
  tensor_count_ = 0;
  column_names_.clear();
}

Decoded<void> RequestBody::read_rows(ondemand::value rows, RowTable& table) {
  protocol_ = Protocol::rows;
  ondemand::array list;
  OUTRIDER_TAKE(list, rows.get_array());
  for (auto item : list) {
    ondemand::value row;
    OUTRIDER_TAKE(row, item);
    if (auto ok = table.add_row(row); !ok) return ok;
  }
  return {};
}

// V2's tensors, TF-Serving's named columns, or plain rows.
Decoded<void> RequestBody::read_inputs(ondemand::value inputs, RowTable& table) {
  ondemand::json_type type{};
  OUTRIDER_TAKE(type, inputs.type());
  if (type == ondemand::json_type::object) {
    protocol_ = Protocol::columns;
    ondemand::object columns;
    OUTRIDER_TAKE(columns, inputs.get_object());
    return read_columns(columns);
  }
  ondemand::array list;
  OUTRIDER_TAKE(list, inputs.get_array());
  protocol_ = Protocol::rows;
  for (auto item : list) {
    ondemand::value element;
    OUTRIDER_TAKE(element, item);
    OUTRIDER_TAKE(type, element.type());
    if (type == ondemand::json_type::object && table.rows() == 0) {
      protocol_ = Protocol::columns;
      ondemand::object tensor;
      OUTRIDER_TAKE(tensor, element.get_object());
      if (tensor_count_ >= tensors_max) return failed(FailReason::wrong_shape);
      const std::size_t left = values_left();
      if (auto ok = read_tensor(tensor, next_tensor(), left); !ok) return ok;
      if (tensors_[tensor_count_ - 1].shape.empty()) return failed(FailReason::wrong_shape);
    } else if (protocol_ == Protocol::columns) {
      return failed(FailReason::wrong_shape);
    } else if (auto ok = table.add_row(element); !ok) {
      return ok;
    }
  }
  return {};
}

Decoded<void> RequestBody::read_columns(ondemand::object columns) {
  for (auto item : columns) {
    ondemand::field field;
    OUTRIDER_TAKE(field, item);
    std::string_view name;
    OUTRIDER_TAKE(name, field.unescaped_key());
    if (tensor_count_ >= tensors_max) return failed(FailReason::wrong_shape);
    const std::size_t left = values_left();
    Tensor& tensor = next_tensor();
    tensor.name = name;
    if (auto ok = read_nested(field.value(), tensor, true, left); !ok) return ok;
  }
  return {};
}

Decoded<void> RequestBody::read_frame(ondemand::object frame) {
  Tensor& matrix = next_tensor();
  for (auto item : frame) {
    ondemand::field field;
    OUTRIDER_TAKE(field, item);
    const ondemand::raw_json_string key = field.key();
    if (key.unsafe_is_equal("names") || key.unsafe_is_equal("columns")) {
      ondemand::array names;
      OUTRIDER_TAKE(names, field.value().get_array());
      for (auto name : names) {
        std::string_view text;
        OUTRIDER_TAKE(text, name.get_string());
        if (column_names_.size() >= names_max) return failed(FailReason::wrong_shape);
        column_names_.push_back(text);
      }
    } else if (key.unsafe_is_equal("ndarray") || key.unsafe_is_equal("data")) {
      if (auto ok = read_nested(field.value(), matrix, true, body_values_max); !ok) return ok;
    } else if (key.unsafe_is_equal("tensor")) {
      ondemand::object tensor;
      OUTRIDER_TAKE(tensor, field.value().get_object());
      if (auto ok = read_plain_tensor(tensor, matrix, body_values_max); !ok) return ok;
    }
  }
  return {};
}

std::size_t RequestBody::values_left() const {
  std::size_t left = body_values_max;
  for (std::size_t i = 0; i < tensor_count_; ++i) left -= tensors_[i].values.size();
  return left;
}

Tensor& RequestBody::next_tensor() {
  if (tensor_count_ == tensors_.size()) tensors_.emplace_back();
  Tensor& tensor = tensors_[tensor_count_++];
  tensor.clear();
  return tensor;
}

}  // namespace outrider::decode
