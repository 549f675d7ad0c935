// SPDX-License-Identifier: Apache-2.0
#pragma once

// A body of the binary tensor extension: JSON, and the bytes of tensors that follow it.

#include <string_view>

#include "base/core/text.h"
#include "sidecar/monitor/decode/json.h"

namespace outrider::decode {

struct BodyPieces {
  std::string_view json, binary;
};

// By the field Inference-Header-Content-Length; all of it is JSON where that is "". wrong_shape
// when it is no length within the body.
inline Decoded<BodyPieces> split_binary(std::string_view body, std::string_view json_bytes) {
  if (json_bytes.empty()) return BodyPieces{body, {}};
  const auto length = parse_uint(json_bytes);
  if (!length || *length > body.size()) return failed(FailReason::wrong_shape);
  return BodyPieces{body.substr(0, *length), body.substr(*length)};
}

}  // namespace outrider::decode
