// SPDX-License-Identifier: Apache-2.0
#pragma once

// A response's body: the predictions, one a row, and what it says of the model. What the protocols
// recognise (protocols/protocols.h), else the general shapes: an object with a named prediction
// (prediction_names.h) or columns of them, a list of rows, a bare value, CSV. One row is read by
// answer_row.h. What is in none of these is refused by a reason, and words() say what to write.
//
// A prediction that the configuration names is there or it is an error (pointer_not_found); nothing
// else is taken in its stead:
//   json:/out/price    from the whole body; where that has no such place, from each row
//   row:/price         from each row: a member of an object, a place of a list, a column, a tensor's name
//
//   Answer answer(rules);
//   answer.open(json, binary);
//   if (answer.nature() == Answer::Nature::prediction) answer.read(request.row_counts());
//
// Not thread-safe; one is used again for every exchange.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/monitor/decode/answer_document.h"
#include "sidecar/monitor/decode/answer_row.h"
#include "sidecar/monitor/decode/answer_rows.h"
#include "sidecar/monitor/decode/answer_tensors.h"
#include "sidecar/monitor/decode/protocols/answer_shape.h"
#include "sidecar/monitor/decode/rules.h"
#include "sidecar/monitor/decode/tensor.h"

namespace outrider::decode {

class Answer {
 public:
  using Nature = AnswerDocument::Nature;

  explicit Answer(const Rules& rules);

  // `json` is the body (the part before the binary tensors). JSON's reasons.
  Decoded<void> open(std::string_view json, std::string_view binary);
  // JSON lines as one list: a row a line, or a stream whose last line counts.
  Decoded<void> open_lines(std::string_view list);
  void note_error() { document_.note_error(); }  // A stream said so by an event's name.
  Nature nature() const { return document_.nature(); }
  // Whether the configuration says where the prediction or its score is.
  bool names_prediction() const { return prediction_.configured || score_.configured; }

  // `row_counts`: how many rows the request may have, the likeliest first; empty where nobody
  // knows. wrong_shape where none fits; pointer_not_found, ambiguous_prediction,
  // missing_prediction, wrong_type.
  Decoded<void> read(std::span<const std::size_t> row_counts);
  // The same of CSV, whose columns may have names. One line may hold a batch's predictions.
  Decoded<void> read_table(const Tensor& table, std::span<const std::string_view> names,
                           std::span<const std::size_t> row_counts);

  // A row whose value is missing is one that the model failed.
  std::span<const Prediction> rows() const { return rows_.all(); }
  // A single value of the body as text, by the pieces of a pointer; "" when there is none.
  std::string_view field(std::span<const std::string> tokens) { return document_.field(tokens); }
  // What the body says of its model and of itself; "" where it does not.
  std::string_view model_name() { return document_.model_name(); }
  std::string_view model_version() { return document_.model_version(); }
  std::string_view id() { return document_.id(); }
  std::string_view puid() { return document_.puid(); }  // Seldon's meta.puid.
  // What the pieces of a pointer lead to, and its value.
  std::optional<dom::element> find(std::span<const std::string> tokens) const {
    return document_.find(tokens);
  }
  FeatureValue scalar(dom::element element) { return document_.json().scalar(element); }
  // What was seen and what to write, of the last failure; "" where its reason says it.
  const std::string& words() const { return words_.empty() ? row_.words() : words_; }

  void clear();  // For an exchange whose body is not read.

 private:
  // Where a rule finds its value: a list with an element a row, or tokens to follow in each row.
  struct Source {
    std::vector<std::string> tokens;
    bool whole_first = false, configured = false;
  };
  static Source source_of(const Place& place);
  Decoded<void> read_shape(const AnswerShape& shape);
  Decoded<void> read_list(const AnswerShape& shape);
  Decoded<void> read_object(const AnswerShape& shape);
  Decoded<void> read_matrix(const AnswerShape& shape);
  Decoded<void> read_seldon(const AnswerShape& shape);
  Decoded<void> read_named_list(const AnswerRow::Named& named, std::size_t rows, bool& done);

  Decoded<void> read_configured(const AnswerShape& shape);
  Decoded<void> read_each_row(const AnswerShape& shape);
  std::optional<dom::element> in_row(const Source& source, dom::element row);
  Decoded<void> fill_scores(const AnswerShape& shape);

  Decoded<void> read_tensors(const AnswerShape& shape);
  Decoded<void> choose_tensor();
  Decoded<void> rows_of(const Tensor& tensor, std::size_t rows, const Tensor* scores,
                        std::optional<std::size_t> place = std::nullopt);
  std::optional<std::size_t> rows_in(const Tensor& tensor) const;

  Decoded<void> rows_of(std::span<const dom::element> elements);
  Decoded<void> one_row(dom::element element);
  tl::unexpected<FailReason> rows_differ(std::size_t rows);
  tl::unexpected<FailReason> not_found(const Place& place);

  Rules rules_;
  Source prediction_, score_;
  AnswerDocument document_;
  AnswerRow row_;
  AnswerRows rows_;
  AnswerTensors tensors_;
  std::string_view binary_;
  std::vector<dom::element> elements_;
  AnswerRow::Named named_;
  std::string words_;
};

}  // namespace outrider::decode
