// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where the rows of a request stand in its body. Each protocol's file recognises its own bodies and
// says so by shapes; what is in them is read by RequestBody. A body can be meant in two ways ({"a":
// [1, 2]} is one row with two values, or two rows): it has a shape for each then, the likelier one
// first, and the number of the answer's rows decides.

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "sidecar/monitor/decode/protocols/body_view.h"

namespace outrider::decode {

enum class Layout : std::uint8_t {
  row,            // One row: an object's members, or a list's values.
  rows,           // A list with a row an element: objects, lists or values.
  columns,        // An object of lists, a column each.
  keyed_rows,     // An object of objects, a row each: pandas' orient "index".
  keyed_columns,  // An object of objects, a column each: pandas' orient "columns".
  matrix,         // A list of lists, with the columns' names beside it: pandas' orient "split".
  tensor,         // Seldon's {"shape", "values"}, with the columns' names beside it.
  tensors,        // A list of tensors of the Open Inference protocol, a feature or a matrix each.
  matrix_tensor,  // The same of one tensor of rank one, as one row without names.
};

struct RequestShape {
  Layout layout = Layout::row;
  dom::element at;
  std::size_t rows = 1;
  std::optional<dom::array> names = std::nullopt;    // Of a matrix's columns.
  std::string_view left_out = {};                    // A member of each row that is its index.
  std::optional<dom::object> beside = std::nullopt;  // Its single values belong to every row.
};

class RequestShapes {
 public:
  static constexpr std::size_t shapes_max = 4;

  void clear() {
    count_ = 0;
    failure_.reset();
  }
  void add(const RequestShape& shape) {
    if (count_ < shapes_max) shapes_[count_++] = shape;
  }
  // The protocol's own, but broken.
  void refuse(FailReason reason) { failure_ = reason; }

  std::span<const RequestShape> all() const { return {shapes_.data(), count_}; }
  std::optional<FailReason> failure() const { return failure_; }

 private:
  std::array<RequestShape, shapes_max> shapes_{};
  std::size_t count_ = 0;
  std::optional<FailReason> failure_;
};

}  // namespace outrider::decode
