// SPDX-License-Identifier: Apache-2.0
#pragma once

// A response's body: the predictions, one a row, and what it says of the model. Recognised without
// configuration: KServe V1 and TF-Serving ({"predictions": […]}, {"outputs": …}), V2 ({"outputs":
// [tensors]}, also binary), Seldon ({"data": {"ndarray" | "tensor"}}), a flat object, a list, a
// bare value, and CSV. Not thread-safe; one is used again for every exchange.
//
// Which field of a flat object is the prediction: the one that the rules name; else the first of
// well-known names (prediction, result, label, …); else its first number that is no meta data and
// no score; else its first text. A list of numbers that are probabilities (each in [0, 1], sum 1)
// is a class, its index or name, with that probability as score.

#include <cstddef>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sidecar/decode/json.h"
#include "sidecar/decode/rules.h"
#include "sidecar/decode/tensor.h"

namespace outrider::decode {

class Answer {
 public:
  explicit Answer(const Rules& rules);

  // `json` is the body (the part before the binary tensors), `expected_rows` how many rows the
  // request had, 0 when it is not known. wrong_shape when they differ; missing_prediction; JSON's
  // reasons.
  Decoded<void> read(std::string_view json, std::string_view binary, std::size_t expected_rows);

  // The same of CSV: a row each, whose prediction is its first column, a class where its columns are
  // probabilities, or what the header names. One line may hold a batch's predictions.
  Decoded<void> read_table(const Tensor& table, std::span<const std::string_view> names,
                           std::size_t expected_rows);

  std::span<const Prediction> rows() const { return rows_; }
  // A scalar field of the body by its flattened name ("meta.puid"), as text; "" when there is none.
  std::string_view field(std::string_view name);

 private:
  struct Scalar {
    std::string_view name;  // Flattened: "meta.puid".
    FeatureValue value;
  };
  struct Named {
    std::string_view name;
    Tensor tensor;
  };

  void start(std::size_t expected_rows);
  Decoded<void> read_object(ondemand::object body);
  Decoded<void> read_field(ondemand::field& field);
  Decoded<void> read_list(ondemand::value list);  // One element a row.
  Decoded<void> read_outputs(ondemand::value outputs);
  Decoded<void> read_seldon(ondemand::object data);
  Decoded<void> read_output_columns(ondemand::object columns);
  Decoded<void> collect(std::string_view name, ondemand::value value, int depth,
                        std::vector<Scalar>& into);
  Decoded<Prediction> read_row(ondemand::value value);

  Decoded<void> conclude(std::string_view binary);
  Decoded<void> read_binary_outputs(std::string_view binary);
  Decoded<void> rows_of(const Tensor& tensor, const Tensor* scores);
  Decoded<void> rows_of_scalars();
  std::optional<Prediction> choose(std::span<const Scalar> scalars);
  Prediction of_vector(std::span<const FeatureValue> values);
  Decoded<void> finish();
  Decoded<Prediction> judged(Prediction prediction);  // As the rule on the kind wants it.

  std::string_view keep(std::string text);
  Decoded<Named*> next_named(std::string_view name);  // Valid until the next call.
  std::size_t values_left() const;                    // Of all that one body may have.
  bool holds_much() const;

  Rules rules_;
  std::string prediction_name_;  // Of the rule, flattened; "" without one.
  std::string score_name_;
  JsonDocument json_;
  ondemand::document* document_ = nullptr;
  std::size_t expected_rows_ = 0;
  bool has_rows_ = false;  // A list of rows was read.
  std::vector<Prediction> rows_;
  std::vector<Scalar> scalars_;      // Of the body itself.
  std::vector<Scalar> row_scalars_;  // Of a row that is an object.
  std::vector<Named> named_;         // Arrays of the body, and V2's outputs.
  std::size_t named_count_ = 0;
  std::vector<std::string_view> class_names_;
  Tensor scratch_;
  std::deque<std::string> kept_;
  std::size_t kept_bytes_ = 0;  // Of flattened names.
};

}  // namespace outrider::decode
