// SPDX-License-Identifier: Apache-2.0
// The Open Inference protocol, KServe's V2: Triton, MLServer, KServe, OpenVINO, with the binary
// tensor data extension and Triton's classification extension ("score:index:label" texts, see
// answer_row.h).
//   {"inputs": [{"name", "shape", "datatype", "data", "parameters"}, …]}
//   {"outputs": [the same]}
// One tensor of rank one is a column, or one row of a model without batches: the answer decides.
// Sources: Open Inference Protocol, HTTP/REST; Triton, protocol extensions "binary data",
// "classification".

#include <algorithm>

#include "sidecar/monitor/decode/protocols/protocols.h"

namespace outrider::decode::protocols {
namespace {

bool is_tensor(dom::element element) {
  const auto object = object_of(element);
  if (!object) return false;
  const bool has_shape = member(*object, "shape").has_value();
  return has_shape && (member(*object, "data") || member(*object, "datatype"));
}

std::optional<dom::array> tensors_at(const BodyView& body, const char* key) {
  const auto list = array_of(body.container(key));
  if (!list || list->size() == 0) return std::nullopt;
  if (std::none_of(list->begin(), list->end(), is_tensor)) return std::nullopt;
  return list;
}

}  // namespace

bool open_inference_request(const BodyView& body, RequestShapes& out) {
  const auto tensors = tensors_at(body, "inputs");
  if (!tensors) return false;
  if (!std::all_of(tensors->begin(), tensors->end(), is_tensor)) {
    out.refuse(FailReason::wrong_shape);
    return true;
  }
  RequestShape shape;
  shape.layout = Layout::tensors;
  shape.at = *body.container("inputs");
  const auto extents = array_of(member(object_in(*tensors->begin()), "shape"));
  std::uint64_t rows = 0;
  if (extents && extents->size() > 0 &&
      (*extents->begin()).get_uint64().get(rows) != simdjson::SUCCESS) {
    out.refuse(FailReason::wrong_type);
    return true;
  }
  if (!extents || extents->size() == 0) {
    out.refuse(FailReason::wrong_shape);
    return true;
  }
  shape.rows = rows;
  out.add(shape);
  if (tensors->size() == 1 && extents->size() == 1 && rows > 1) {
    shape.layout = Layout::matrix_tensor;
    shape.rows = 1;
    out.add(shape);
  }
  return true;
}

bool open_inference_answer(const BodyView& body, AnswerShapes& out) {
  const auto tensors = tensors_at(body, "outputs");
  if (!tensors) return false;
  if (!std::all_of(tensors->begin(), tensors->end(),
                   [](dom::element element) { return element.is_object(); })) {
    out.refuse(FailReason::wrong_shape);
    return true;
  }
  AnswerShape shape;
  shape.layout = AnswerLayout::tensors;
  shape.at = *body.container("outputs");
  out.add(shape);
  return true;
}

}  // namespace outrider::decode::protocols
