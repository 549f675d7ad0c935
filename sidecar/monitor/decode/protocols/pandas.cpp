// SPDX-License-Identifier: Apache-2.0
// DataFrame.to_json() as a whole body, in the orients that have keys of their own:
//   split  {"columns": ["a"], "index": [0], "data": [[1]]}
//   table  {"schema": {"fields": […], "primaryKey": ["index"], …}, "data": [{"index": 0, "a": 1}]}
// The others are lists ("records", "values") or objects of objects ("index", "columns"): generic.h.
// In an answer the frame has the predictions; an index that the schema names is left out.
// Source: pandas, "DataFrame.to_json" and "IO tools, JSON".

#include "sidecar/monitor/decode/protocols/pandas.h"

#include "sidecar/monitor/decode/protocols/protocols.h"

namespace outrider::decode::protocols {
namespace {

struct Split {
  dom::array columns;
  dom::element data;
};

std::optional<Split> split_of(dom::object frame) {
  const auto columns = array_of(member(frame, "columns"));
  const auto data = member(frame, "data");
  if (!data || !data->is_array()) return std::nullopt;
  if (!columns) return std::nullopt;
  return Split{*columns, *data};
}

struct Table {
  dom::element data;
  std::string_view index;  // Its name; "" where the schema has none.
};

std::optional<Table> table_of(dom::object frame) {
  const auto schema = object_of(member(frame, "schema"));
  const auto data = member(frame, "data");
  if (!schema || !member(*schema, "fields") || !data || !data->is_array()) return std::nullopt;
  Table table{*data, {}};
  const auto key = array_of(member(*schema, "primaryKey"));
  if (key && key->size() == 1) table.index = text_of(*key->begin()).value_or("");
  return table;
}

}  // namespace

bool add_split(dom::object frame, RequestShapes& out) {
  const auto split = split_of(frame);
  if (!split) return false;
  RequestShape shape;
  shape.layout = Layout::matrix;
  shape.at = split->data;
  shape.names = split->columns;
  shape.rows = array_of(split->data)->size();
  out.add(shape);
  return true;
}

bool pandas_request(const BodyView& body, RequestShapes& out) {
  if (add_split(body.root, out)) return true;
  const auto frame = table_of(body.root);
  if (!frame) return false;
  RequestShape shape;
  shape.layout = Layout::rows;
  shape.at = frame->data;
  shape.rows = array_of(frame->data)->size();
  shape.left_out = frame->index;
  out.add(shape);
  return true;
}

bool pandas_answer(const BodyView& body, AnswerShapes& out) {
  AnswerShape shape;
  if (const auto split = split_of(body.root)) {
    shape.layout = AnswerLayout::matrix;
    shape.at = split->data;
    shape.names = split->columns;
  } else if (const auto frame = table_of(body.root)) {
    shape = shape_of(frame->data);
    shape.left_out = frame->index;
  } else {
    return false;
  }
  out.add(shape);
  return true;
}

}  // namespace outrider::decode::protocols
