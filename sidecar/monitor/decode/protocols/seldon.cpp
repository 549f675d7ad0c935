// SPDX-License-Identifier: Apache-2.0
// Seldon Core's V1 protocol:
//   {"data": {"names": ["a", "b"], "ndarray": [[1, 2], [3, 4]]}}
//   {"data": {"names": […], "tensor": {"shape": [2, 2], "values": [1, 2, 3, 4]}}}
//   {"jsonData": …}                        what it is; {"strData": "…"} is a flat body
// The names of an answer's data are its classes' where a row has one value each. meta.puid is the
// id. Source: Seldon Core, "External Prediction API".

#include "sidecar/monitor/decode/protocols/generic.h"
#include "sidecar/monitor/decode/protocols/protocols.h"

namespace outrider::decode::protocols {
namespace {

struct Data {
  std::optional<dom::element> ndarray, tensor;
  std::optional<dom::array> names;
};

std::optional<Data> data_of(const BodyView& body) {
  const auto data = object_of(body.container("data"));
  if (!data) return std::nullopt;
  Data found;
  found.ndarray = member(*data, "ndarray");
  found.tensor = member(*data, "tensor");
  found.names = array_of(member(*data, "names"));
  if (found.names && found.names->size() == 0) found.names.reset();
  if (!found.ndarray && !found.tensor) return std::nullopt;
  return found;
}

// Of rank one it is one row, as Seldon's clients send it.
std::size_t rows_of(dom::array ndarray) {
  return ndarray.size() > 0 && (*ndarray.begin()).is_array() ? ndarray.size() : 1;
}

}  // namespace

bool seldon_request(const BodyView& body, RequestShapes& out) {
  if (const auto json = body.container("jsonData"); json && is_container(*json)) {
    add_shapes(*json, out);
    return true;
  }
  const auto data = data_of(body);
  if (!data) return false;
  RequestShape shape;
  shape.names = data->names;
  if (const auto list = array_of(data->ndarray)) {
    shape.layout = Layout::matrix;
    shape.at = *data->ndarray;
    shape.rows = rows_of(*list);
    out.add(shape);
  } else if (const auto tensor = object_of(data->tensor)) {
    shape.layout = Layout::tensor;
    shape.at = *data->tensor;
    const auto extents = array_of(member(*tensor, "shape"));
    std::uint64_t rows = 1;
    if (extents && extents->size() > 1) {
      if ((*extents->begin()).get_uint64().get(rows) != simdjson::SUCCESS) {
        out.refuse(FailReason::wrong_type);
        return true;
      }
    }
    shape.rows = rows;
    out.add(shape);
  } else {
    out.refuse(FailReason::wrong_type);
  }
  return true;
}

bool seldon_answer(const BodyView& body, AnswerShapes& out) {
  if (const auto json = body.container("jsonData")) {
    out.add(shape_of(*json));
    return true;
  }
  const auto data = data_of(body);
  if (!data) return false;
  AnswerShape shape;
  shape.layout = AnswerLayout::seldon;
  shape.at = data->tensor ? *data->tensor : *data->ndarray;
  shape.names = data->names;
  out.add(shape);
  return true;
}

}  // namespace outrider::decode::protocols
