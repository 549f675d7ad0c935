// SPDX-License-Identifier: Apache-2.0
#pragma once

// The protocols of model servers, one a file, and their table. Each file recognises the requests or
// the answers of its own and nothing else; what no file recognises is read by the general rules of
// generic.h (requests) and answer.h (answers), which are documented shapes too. The order of the
// table is the order in which they are asked; their keys do not overlap.

#include <span>
#include <string_view>

#include "sidecar/monitor/decode/protocols/answer_shape.h"
#include "sidecar/monitor/decode/protocols/request_shape.h"

namespace outrider::decode::protocols {

struct Protocol {
  std::string_view name;
  // True when the body is this protocol's; then `out` has its shapes, or the failure. Null: it has
  // no requests, or no answers, of its own.
  bool (*request)(const BodyView& body, RequestShapes& out);
  bool (*answer)(const BodyView& body, AnswerShapes& out);
};

// One function each way and protocol; the files say what they look for.
bool kserve_v1_request(const BodyView&, RequestShapes&);
bool kserve_v1_answer(const BodyView&, AnswerShapes&);
bool open_inference_request(const BodyView&, RequestShapes&);
bool open_inference_answer(const BodyView&, AnswerShapes&);
bool tf_serving_request(const BodyView&, RequestShapes&);
bool tf_serving_answer(const BodyView&, AnswerShapes&);
bool seldon_request(const BodyView&, RequestShapes&);
bool seldon_answer(const BodyView&, AnswerShapes&);
bool mlflow_request(const BodyView&, RequestShapes&);
bool azure_request(const BodyView&, RequestShapes&);
bool pandas_request(const BodyView&, RequestShapes&);
bool pandas_answer(const BodyView&, AnswerShapes&);

inline constexpr Protocol table[] = {
    {"kserve_v1", kserve_v1_request, kserve_v1_answer},
    {"open_inference", open_inference_request, open_inference_answer},
    {"tf_serving", tf_serving_request, tf_serving_answer},
    {"seldon", seldon_request, seldon_answer},
    {"mlflow", mlflow_request, nullptr},
    {"azure", azure_request, nullptr},
    {"pandas", pandas_request, pandas_answer},
};

}  // namespace outrider::decode::protocols
