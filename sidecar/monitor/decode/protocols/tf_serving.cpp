// SPDX-License-Identifier: Apache-2.0
// TensorFlow Serving's REST API but for its row format (kserve_v1.cpp):
//   {"inputs": {"a": [1, 2], "b": [[3], [4]]}}   columns; a list without names: rows
//   {"outputs": {"price": [[5], [6]]}}           columns; a list without names: rows
//   {"examples": [{"x": 1}], "context": {…}}     :classify and :regress; the context is each example's
//   {"results": [[["a", 0.9], ["b", 0.1]]]}      :classify: labels with scores, of each example
//   {"results": [3.5, 4.0]}                      :regress
// Others who say {"inputs": …} (Hugging Face) mean a list of rows, or one row of named values.
// Source: TensorFlow Serving, "RESTful API".

#include "sidecar/monitor/decode/protocols/generic.h"
#include "sidecar/monitor/decode/protocols/protocols.h"

namespace outrider::decode::protocols {

bool tf_serving_request(const BodyView& body, RequestShapes& out) {
  if (const auto examples = body.container("examples"); examples && examples->is_array()) {
    RequestShape shape;
    shape.layout = Layout::rows;
    shape.at = *examples;
    shape.rows = array_of(examples)->size();
    shape.beside = object_of(body.container("context"));
    out.add(shape);
    return true;
  }
  const auto inputs = body.container("inputs");
  if (!inputs || !is_container(*inputs)) return false;
  add_shapes(*inputs, out);
  return true;
}

bool tf_serving_answer(const BodyView& body, AnswerShapes& out) {
  for (const char* key : {"outputs", "results"}) {
    const auto found = body.container(key);
    if (!found || !is_container(*found)) continue;
    AnswerShape shape = shape_of(*found);
    shape.beside = body.root;
    out.add(shape);
    return true;
  }
  return false;
}

}  // namespace outrider::decode::protocols
