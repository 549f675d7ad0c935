// SPDX-License-Identifier: Apache-2.0
#pragma once

// Tensors of the Open Inference protocol (V2) and its relatives: a name, a shape and flat values;
// from nested JSON arrays, or from the binary tensor data extension.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/monitor/decode/json.h"

namespace outrider::decode {

struct Tensor {
  std::string_view name;
  std::string_view datatype;         // "FP32", …; "" where the protocol has none.
  std::vector<std::uint64_t> shape;  // Empty: as nested in JSON, see nested_shape.
  std::vector<FeatureValue> values;  // In row-major order.
  std::uint64_t binary_bytes = 0;    // parameters.binary_data_size.
  bool is_binary = false;
  bool is_elsewhere = false;  // parameters.shared_memory_region: the values are not in the body.

  void clear();
  std::uint64_t rows() const { return shape.empty() ? values.size() : shape.front(); }
  std::uint64_t values_a_row() const;  // By the shape.
};

// Flattens nested arrays (or one scalar) into tensor.values, and tells their nesting in `shape`
// when `set_shape`: wrong_shape for ragged rows then. Limits: depth_max, values_max (wrong_shape).
Decoded<void> read_nested(dom::element value, JsonTree& json, Tensor& tensor, bool set_shape,
                          std::size_t values_max);

// One V2 tensor object {"name", "datatype", "shape", "data", "parameters"}, keys in any order.
Decoded<void> read_tensor(dom::object object, JsonTree& json, Tensor& tensor,
                          std::size_t values_max);

// Seldon's plain tensor {"shape": […], "values": […]}, keys in any order.
Decoded<void> read_plain_tensor(dom::object object, JsonTree& json, Tensor& tensor,
                                std::size_t values_max);

// How many values one body may have, in all its tensors together: wrong_shape past it.
inline constexpr std::size_t body_values_max = 2 << 20;

// BYTES are texts or anything, pictures for instance.
enum class Bytes : std::uint8_t { must_be_text, may_be_opaque };

// Fills the values of the binary tensors, in their order, from the bytes behind the JSON, all of
// which must be theirs; NaN is missing, as it is in JSON. wrong_shape when sizes do not add up;
// unsupported_format for an unknown datatype; invalid_utf8 for BYTES that are no text and must be;
// those that may be opaque are missing values.
Decoded<void> read_binary(std::span<Tensor> tensors, JsonTree& json, std::string_view bytes,
                          std::size_t values_max, Bytes texts);

// Whether used tensors hold so much memory that they are better made anew than used again.
bool holds_much(std::span<const Tensor> tensors);

// Checks that the values fill the shape: wrong_shape.
Decoded<void> check_shape(const Tensor& tensor);

// The tensors of one body: within its limits, and with the memory of those before.
class TensorSet {
 public:
  // Another one, empty. wrong_shape past 4 096 of them.
  Decoded<Tensor*> add();
  // One of a V2 body's list of tensors; read_binary() fills those whose values are behind the JSON.
  Decoded<Tensor*> add(dom::object object, JsonTree& json);
  Decoded<void> fill_binary(JsonTree& json, std::string_view bytes, Bytes texts) {
    return read_binary(all(), json, bytes, values_left(), texts);
  }

  // The first `count` of those before clear(), without their values; false where they are not there
  // any more.
  bool take_again(std::size_t count);

  std::size_t values_left() const;  // Of all that one body may have.
  std::span<Tensor> all() { return {tensors_.data(), count_}; }
  std::span<const Tensor> all() const { return {tensors_.data(), count_}; }
  std::size_t size() const { return count_; }
  void clear() {  // Each exchange: what is empty already costs nothing.
    if (count_ > 0) forget();
  }

 private:
  void forget();

  std::vector<Tensor> tensors_;  // More than count_: used again.
  std::size_t count_ = 0;
};

}  // namespace outrider::decode
