// SPDX-License-Identifier: Apache-2.0
#pragma once

// A request's body as a table of features. Recognised by its keys: KServe V1 and TF-Serving
// ("instances", "inputs" as rows or columns), V2 ("inputs" as tensors, also binary), Seldon ("data"
// with "ndarray" or "tensor"), MLflow ("dataframe_split", "dataframe_records"), a list of rows,
// else one flat object. Not thread-safe.

#include <string_view>
#include <vector>

#include "sidecar/decode/row_table.h"
#include "sidecar/decode/rules.h"

namespace outrider::decode {

class RequestBody {
 public:
  explicit RequestBody(const Rules& rules);

  // `binary` is what follows the JSON in the binary tensor extension. The table must be cleared.
  Decoded<void> read(std::string_view json, std::string_view binary, RowTable& table);

  void clear() { id_ = {}; }  // For an exchange without a body.

  // The body's own "id" (V2's, a flat object's, Seldon's meta.puid); "" when there is none.
  std::string_view id() const { return id_; }

 private:
  enum class Protocol { flat, rows, columns, matrix };

  Decoded<void> read_object(ondemand::object body, RowTable& table);
  Decoded<bool> read_protocol(ondemand::raw_json_string key, ondemand::value value,
                              ondemand::json_type type, RowTable& table);
  void start_over(RowTable& table);
  Decoded<void> read_rows(ondemand::value rows, RowTable& table);
  Decoded<void> read_inputs(ondemand::value inputs, RowTable& table);
  Decoded<void> read_columns(ondemand::object columns);
  Decoded<void> read_frame(ondemand::object frame);  // Seldon's data, MLflow's split frame.
  Tensor& next_tensor();
  std::size_t values_left() const;  // Of all that one body may have.

  bool id_is_feature_ = false;
  JsonDocument json_;
  std::string_view id_;
  Protocol protocol_ = Protocol::flat;
  std::vector<Tensor> tensors_;
  std::size_t tensor_count_ = 0;
  std::vector<std::string_view> column_names_;
};

}  // namespace outrider::decode
