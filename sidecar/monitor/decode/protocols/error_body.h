// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whether an answer of 200 is an error: what frameworks and gateways write into the body while the
// status says success. PURE.
//
//   {"error": "…"}, {"errors": […]}, {"exception": …}, {"fault": {…}}, {"error_code": …}   said by name
//   {"success": false}, {"ok": false}, {"status": "error"}                                  said by a flag
//   {"detail": …} (FastAPI), {"message": …, "code": 400}                                    only without a
//                                                                                           prediction
// A member that is null, empty, false or a number (a standard error) says nothing.

#include "sidecar/monitor/decode/json.h"

namespace outrider::decode::protocols {

// Whatever else is in it.
bool says_error(dom::object body);
// What is an error only where there is no prediction.
bool may_be_error(dom::object body);

}  // namespace outrider::decode::protocols
