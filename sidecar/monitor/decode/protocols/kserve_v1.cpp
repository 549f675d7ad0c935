// SPDX-License-Identifier: Apache-2.0
// KServe's V1 protocol, TF-Serving's row format, and all who took its keys (Vertex AI, MLflow,
// Ray):
//   {"instances": [row, row]}         a row: an object, a list, a value
//   {"instances": {"a": [1, 2]}}      columns
//   {"predictions": [row, row]}       a row: a value, a list of one, probabilities, an object of outputs
//   {"predictions": {…}} or a value   what it is
// Sources: KServe, "V1 Protocol"; TensorFlow Serving, "RESTful API", predict in row format.

#include "sidecar/monitor/decode/protocols/generic.h"
#include "sidecar/monitor/decode/protocols/protocols.h"

namespace outrider::decode::protocols {

bool kserve_v1_request(const BodyView& body, RequestShapes& out) {
  const auto instances = body.container("instances");
  if (!instances || !is_container(*instances)) return false;
  if (instances->is_array()) {
    add_rows(*instances, out);
  } else {
    add_object_shapes(*instances, out);
  }
  return true;
}

bool kserve_v1_answer(const BodyView& body, AnswerShapes& out) {
  const auto predictions = body.container("predictions");
  if (!predictions || !is_container(*predictions)) return false;
  AnswerShape shape = shape_of(*predictions);
  shape.beside = body.root;
  out.add(shape);
  return true;
}

}  // namespace outrider::decode::protocols
