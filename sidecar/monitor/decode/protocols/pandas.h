// SPDX-License-Identifier: Apache-2.0
#pragma once

// DataFrame.to_json() where it is an object with keys of its own, for those who send it inside
// others.

#include "sidecar/monitor/decode/protocols/request_shape.h"

namespace outrider::decode::protocols {

// orient="split": {"columns": […], "index": […], "data": [[…]]}. False where it is not that.
bool add_split(dom::object frame, RequestShapes& out);

}  // namespace outrider::decode::protocols
