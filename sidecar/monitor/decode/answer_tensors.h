// SPDX-License-Identifier: Apache-2.0
#pragma once

// The tensors of an answer: read from JSON and the bytes behind it, found by a pointer. Not
// thread-safe; one is used again for every exchange, with the memory of those before.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sidecar/monitor/decode/protocols/answer_shape.h"
#include "sidecar/monitor/decode/tensor.h"

namespace outrider::decode {

class AnswerTensors {
 public:
  void clear() { tensors_.clear(); }
  void forget_tree() { of_tree_ = 0; }  // The tree is another one: nothing of it is known.

  // All tensors of an Open Inference answer. TensorSet's reasons.
  Decoded<void> open(const AnswerShape& shape, JsonTree& json, std::string_view binary);
  Decoded<Tensor*> add() { return tensors_.add(); }  // An empty one.
  std::span<const Tensor> all() const { return tensors_.all(); }

  // whole: "/outputs/1", "/outputs/1/data" as the JSON has it, or by a name, "/outputs/price"; else
  // "/NAME" and a place in each row behind it. nullptr: there is none.
  const Tensor* find(std::span<const std::string> tokens, bool whole,
                     std::optional<std::size_t>& place) const;
  // Why none has values, and what to change; "" when there is nothing to say.
  std::string why_empty() const;

 private:
  TensorSet tensors_;
  std::size_t of_tree_ = 0;  // So many have all but their values from the tree.
};

}  // namespace outrider::decode
