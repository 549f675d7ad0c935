// SPDX-License-Identifier: Apache-2.0
// MLflow's scoring server; its "inputs" and "instances" are TF-Serving's.
//   {"dataframe_split": {"columns": ["a"], "index": [0], "data": [[1]]}}
//   {"dataframe_records": [{"a": 1}]}
// Source: MLflow, "Deploy MLflow Model as a Local Inference Server".

#include "sidecar/monitor/decode/protocols/generic.h"
#include "sidecar/monitor/decode/protocols/pandas.h"
#include "sidecar/monitor/decode/protocols/protocols.h"

namespace outrider::decode::protocols {

bool mlflow_request(const BodyView& body, RequestShapes& out) {
  if (const auto records = body.container("dataframe_records")) {
    add_rows(*records, out);
    return true;
  }
  const auto split = object_of(body.container("dataframe_split"));
  if (!split) return false;
  if (!add_split(*split, out)) out.refuse(FailReason::wrong_shape);
  return true;
}

}  // namespace outrider::decode::protocols
