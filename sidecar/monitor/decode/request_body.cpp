// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/request_body.h"

#include <algorithm>

#include "sidecar/monitor/decode/protocols/generic.h"
#include "sidecar/monitor/decode/protocols/protocols.h"

namespace outrider::decode {
namespace {

bool names_id(const FeatureRule& rule) {
  return rule.from.kind == Place::Kind::json ? rule.from.text == "/id" : rule.name == "id";
}

// The body's own id is looked for where the configuration says: it is no alias beside.
bool is_id(const Place& part) {
  return (part.kind == Place::Kind::json || part.kind == Place::Kind::row) && part.text == "/id";
}

bool is_id_a_feature(const Rules& rules) {
  return std::any_of(rules.features.begin(), rules.features.end(), names_id) ||
         std::any_of(rules.key.begin(), rules.key.end(), is_id);
}

}  // namespace

RequestBody::RequestBody(const Rules& rules)
    : id_is_feature_(is_id_a_feature(rules)), row_counts_(rules), rows_(tree_, id_is_feature_) {}

void RequestBody::clear() {
  id_ = binary_ = {};
  has_root_ = is_flat_ = is_filled_ = false;
  row_counts_.clear();
  rows_.clear();
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
  return row_counts_.count(shapes_.all());
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
  row_counts_.set_one();
  return true;
}

void RequestBody::recognise(dom::element root) {
  shapes_.clear();
  rows_.forget_tree();
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
  if (is_filled_ || shapes_.all().empty() || row_counts_.all().empty()) return {};
  const RequestShape* shape = &shapes_.all().front();
  for (const RequestShape& one : shapes_.all()) {
    if (one.rows == rows) {
      shape = &one;
      break;
    }
  }
  is_filled_ = true;
  return rows_.fill(*shape, binary_, table);
}

}  // namespace outrider::decode
