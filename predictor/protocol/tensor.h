// SPDX-License-Identifier: Apache-2.0
#pragma once

// One input tensor of the V2 protocol, taken apart: its values flat, in row-major order. PURE.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/wire/json.h"

namespace outrider::protocol {

struct Tensor {
  std::string name;
  std::vector<std::size_t> shape;
  std::vector<wire::Json> values;  // Numbers, booleans, texts or null; as many as the shape says.
};

constexpr std::size_t tensor_values_max = 8 << 20;

// `binary` is what follows the JSON head; a tensor with parameters.binary_data_size takes its bytes
// off its front. Error "bad_request".
Result<Tensor> parse_tensor(const wire::Json& json, const std::string& where,
                            std::string_view& binary);

}  // namespace outrider::protocol
