// SPDX-License-Identifier: Apache-2.0
#pragma once

// Tensors of the Open Inference protocol (V2) and its relatives: a name, a shape and flat values;
// from nested JSON arrays, or from the binary tensor data extension.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/decode/json.h"

namespace outrider::decode {

struct Tensor {
  std::string_view name;
  std::string_view datatype;         // "FP32", …; "" where the protocol has none.
  std::vector<std::uint64_t> shape;  // Empty: as nested in JSON, see nested_shape.
  std::vector<FeatureValue> values;  // In row-major order.
  std::uint64_t binary_bytes = 0;    // parameters.binary_data_size.
  bool is_binary = false;

  void clear();
  std::uint64_t rows() const { return shape.empty() ? values.size() : shape.front(); }
};

// Flattens nested arrays (or one scalar) into tensor.values, and tells their nesting in `shape`
// when `set_shape`: wrong_shape for ragged rows then. Limits: depth_max, values_max (wrong_shape).
Decoded<void> read_nested(ondemand::value value, Tensor& tensor, bool set_shape,
                          std::size_t values_max);

// One V2 tensor object {"name", "datatype", "shape", "data", "parameters"}, keys in any order.
Decoded<void> read_tensor(ondemand::object object, Tensor& tensor, std::size_t values_max);

// Seldon's plain tensor {"shape": […], "values": […]}, keys in any order.
Decoded<void> read_plain_tensor(ondemand::object object, Tensor& tensor, std::size_t values_max);

// How many values one body may have, in all its tensors together: wrong_shape past it.
inline constexpr std::size_t body_values_max = 2 << 20;

// Fills the values of the binary tensors, in their order, from the bytes behind the JSON, all of which
// must be theirs. wrong_shape when sizes do not add up; unsupported_format for an unknown datatype;
// invalid_utf8 for BYTES that are no text.
Decoded<void> read_binary(std::span<Tensor> tensors, std::string_view bytes,
                          std::size_t values_max);

// Whether used tensors hold so much memory that they are better made anew than used again.
bool holds_much(std::span<const Tensor> tensors);

// Checks that the values fill the shape: wrong_shape.
Decoded<void> check_shape(const Tensor& tensor);

}  // namespace outrider::decode
