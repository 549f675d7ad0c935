// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/answer_tensors.h"

#include <algorithm>

#include "sidecar/monitor/decode/json_pointer.h"

namespace outrider::decode {

Decoded<void> AnswerTensors::open(const AnswerShape& shape, JsonTree& json,
                                  std::string_view binary) {
  if (of_tree_ == 0 || !tensors_.take_again(of_tree_)) {
    bool are_binary = true;
    for (const dom::element element : list_in(shape.at)) {
      const auto tensor = tensors_.add(object_in(element), json);
      if (!tensor) return failed(tensor);
      are_binary = are_binary && (*tensor)->is_binary && (*tensor)->values.empty();
    }
    of_tree_ = are_binary ? tensors_.size() : 0;
  }
  if (auto ok = tensors_.fill_binary(json, binary, Bytes::must_be_text); !ok) return ok;
  for (const Tensor& tensor : tensors_.all()) {
    if (tensor.is_elsewhere) continue;
    if (auto ok = check_shape(tensor); !ok) return ok;
  }
  return {};
}

const Tensor* AnswerTensors::find(std::span<const std::string> tokens, bool whole,
                                  std::optional<std::size_t>& place) const {
  const auto named = [this](const std::string& name) -> const Tensor* {
    const auto all = tensors_.all();
    const auto found = std::find_if(all.begin(), all.end(),
                                    [&](const Tensor& tensor) { return tensor.name == name; });
    return found == all.end() ? nullptr : &*found;
  };
  if (!whole) {
    if (tokens.empty() || tokens.size() > 2) return nullptr;
    const Tensor* tensor = named(tokens[0]);
    const auto at = tokens.size() == 2 ? list_index(tokens[1]) : std::nullopt;
    if (!tensor || (tokens.size() == 2 && !at)) return nullptr;
    if (at) place = *at;
    return tensor;
  }
  if (tokens.size() < 2 || tokens.size() > 3 || tokens[0] != "outputs") return nullptr;
  if (tokens.size() == 3 && tokens[2] != "data") return nullptr;
  const auto index = list_index(tokens[1]);
  if (!index) return named(tokens[1]);
  return *index < tensors_.size() ? &tensors_.all()[*index] : nullptr;
}

std::string AnswerTensors::why_empty() const {
  for (const Tensor& tensor : tensors_.all()) {
    if (!tensor.is_elsewhere) continue;
    return "the output '" + std::string(tensor.name) +
           "' is in shared memory, which the sidecar does not see: let the client ask for it in "
           "the response";
  }
  return {};
}

}  // namespace outrider::decode
