// SPDX-License-Identifier: Apache-2.0
#pragma once

// Lays out a shape that was recognised in a request's body as the rows of a table. Not thread-safe;
// one is used again for every exchange, with the memory of those before.

#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "sidecar/monitor/decode/protocols/request_shape.h"
#include "sidecar/monitor/decode/row_table.h"

namespace outrider::decode {

class RequestRows {
 public:
  // A text "id" of a row's object, or beside a list of rows, is left out unless it is a feature.
  RequestRows(JsonTree& json, bool id_is_feature) : json_(json), id_is_feature_(id_is_feature) {}

  void clear();
  void forget_tree() { tensors_of_tree_ = 0; }  // The tree is another one: nothing of it is known.

  // `binary` is what follows the JSON in the binary tensor extension. wrong_shape, wrong_type,
  // too_many_rows.
  Decoded<void> fill(const RequestShape& shape, std::string_view binary, RowTable& table);

 private:
  Decoded<void> fill_row(const RequestShape& shape, RowTable& table);
  Decoded<void> fill_rows(const RequestShape& shape, RowTable& table);
  Decoded<void> fill_columns(const RequestShape& shape, RowTable& table);
  Decoded<void> fill_keyed_columns(const RequestShape& shape, RowTable& table);
  Decoded<void> fill_matrix(const RequestShape& shape, RowTable& table);
  Decoded<void> read_tensors(const RequestShape& shape);
  Decoded<void> fill_tensors(const RequestShape& shape, std::string_view binary, RowTable& table);
  Decoded<void> add_beside(const RequestShape& shape, RowTable& table);

  JsonTree& json_;
  const bool id_is_feature_;
  TensorSet tensors_;
  std::size_t tensors_of_tree_ = 0;  // So many have all but their values from the tree.
  std::vector<std::string_view> column_names_;
  std::vector<std::pair<std::string_view, FeatureValue>> beside_;
};

}  // namespace outrider::decode
