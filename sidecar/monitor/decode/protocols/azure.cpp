// SPDX-License-Identifier: Apache-2.0
// Azure Machine Learning's endpoints:
//   {"input_data": {"columns": […], "index": […], "data": [[…]]}}   or a list of rows
//   {"Inputs": {"WebServiceInput0": [{"a": 1}]}, "GlobalParameters": …}
//   {"data": [[1, 2]]}                                              or a list of objects
// Source: Azure Machine Learning, "Deploy models with REST", "Consume a web service".

#include "sidecar/monitor/decode/protocols/generic.h"
#include "sidecar/monitor/decode/protocols/pandas.h"
#include "sidecar/monitor/decode/protocols/protocols.h"

namespace outrider::decode::protocols {

bool azure_request(const BodyView& body, RequestShapes& out) {
  for (const char* key : {"input_data", "Inputs"}) {
    const auto found = body.container(key);
    if (!found || !is_container(*found)) continue;
    const auto object = object_of(found);
    if (object && add_split(*object, out)) return true;
    if (object && object->size() == 1 && (*object->begin()).value.is_array()) {
      add_list_shapes((*object->begin()).value, out);
    } else {
      add_shapes(*found, out);
    }
    return true;
  }
  return false;
}

}  // namespace outrider::decode::protocols
