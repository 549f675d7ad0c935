// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where the rows of an answer stand in its body, as request_shape.h has it of requests.

#include <optional>

#include "sidecar/monitor/decode/protocols/body_view.h"

namespace outrider::decode {

enum class AnswerLayout : std::uint8_t {
  list,     // A row an element, or one row with all of them (its probabilities, its best classes).
  object,   // One row with named values, or columns of rows by name.
  value,    // One row.
  matrix,   // A list of lists with the columns' names beside it: pandas' orient "split".
  tensors,  // Tensors of the Open Inference protocol.
  seldon,   // Seldon's ndarray or tensor, with the classes' names beside it.
};

struct AnswerShape {
  AnswerLayout layout = AnswerLayout::value;
  dom::element at;
  std::optional<dom::array> names = std::nullopt;    // Of a matrix's columns, of Seldon's classes.
  std::optional<dom::object> beside = std::nullopt;  // Its lists of scores belong to the rows.
  std::string_view left_out = {};                    // A member of each row that is its index.
};

// A protocol's answer has one shape.
struct AnswerShapes {
  std::optional<AnswerShape> shape;
  std::optional<FailReason> failure;

  void add(const AnswerShape& one) { shape = one; }
  void refuse(FailReason reason) { failure = reason; }
};

// A list, an object or a value by what it is.
inline AnswerShape shape_of(dom::element at) {
  AnswerShape shape;
  shape.at = at;
  shape.layout = at.is_array()    ? AnswerLayout::list
                 : at.is_object() ? AnswerLayout::object
                                  : AnswerLayout::value;
  return shape;
}

}  // namespace outrider::decode
