// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/answer.h"

#include <algorithm>
#include <cmath>

#include "base/core/text.h"
#include "sidecar/monitor/decode/answer_names.h"
#include "sidecar/monitor/decode/json_pointer.h"
#include "sidecar/monitor/decode/protocols/error_body.h"

namespace outrider::decode {
namespace {

constexpr std::size_t names_max = 1 << 16;

}  // namespace

Answer::Source Answer::source_of(const Place& place) {
  using Kind = Place::Kind;
  Source source;
  source.configured =
      place.kind == Kind::json || place.kind == Kind::response || place.kind == Kind::row;
  source.whole_first = place.kind != Kind::row;
  if (source.configured) source.tokens = pointer_tokens(place.text);
  return source;
}

Answer::Answer(const Rules& rules)
    : rules_(rules),
      prediction_(source_of(rules.prediction)),
      score_(source_of(rules.score)),
      row_(rules_, document_.json()) {}

void Answer::clear() {
  document_.clear();
  rows_.clear();
  row_.clear();
  words_.clear();
  tensors_.clear();
}

Decoded<void> Answer::open(std::string_view json, std::string_view binary) {
  clear();
  binary_ = binary;
  if (document_.open_again(json)) return {};
  if (!document_.holds(json)) tensors_.forget_tree();
  return document_.open(json);
}

Decoded<void> Answer::open_lines(std::string_view list) {
  clear();
  binary_ = {};
  if (!document_.holds(list)) tensors_.forget_tree();
  return document_.open_lines(list);
}

Decoded<void> Answer::read(std::span<const std::size_t> row_counts) {
  rows_.begin(row_counts);
  if (const auto lines = document_.lines(); lines && !row_counts.empty() && rows_.expects(*lines))
    document_.read_all_lines();
  const AnswerShapes& shapes = document_.shapes();
  if (shapes.failure) return failed(*shapes.failure);
  const AnswerShape shape = shapes.shape ? *shapes.shape : shape_of(document_.root());
  if (shape.layout != AnswerLayout::tensors && !binary_.empty()) {
    return failed(FailReason::wrong_shape);
  }
  const auto done = prediction_.configured ? read_configured(shape) : read_shape(shape);
  if (!done) {
    const auto object = object_of(document_.root());
    if (done.error() != FailReason::missing_prediction || !object ||
        !protocols::may_be_error(*object)) {
      return done;
    }
    document_.note_error();
    return {};
  }
  if (auto ok = fill_scores(shape); !ok) return ok;
  return rows_.judge(row_);
}

Decoded<void> Answer::read_shape(const AnswerShape& shape) {
  switch (shape.layout) {
    case AnswerLayout::list:
      return read_list(shape);
    case AnswerLayout::object:
      return read_object(shape);
    case AnswerLayout::value:
      return rows_.expects(1) ? one_row(shape.at) : Decoded<void>(rows_differ(1));
    case AnswerLayout::matrix:
      return read_matrix(shape);
    case AnswerLayout::tensors:
      return read_tensors(shape);
    case AnswerLayout::seldon:
      return read_seldon(shape);
  }
  return {};
}

// A row an element; or, of one row, all of them together.
Decoded<void> Answer::read_list(const AnswerShape& shape) {
  if (!elements_of(shape.at, elements_)) return failed(FailReason::wrong_type);
  if (elements_.size() > rules_.rows_max) return failed(FailReason::too_many_rows);
  if (rows_.expects(elements_.size()) && !elements_.empty()) return rows_of(elements_);
  if (elements_.empty()) return failed(FailReason::missing_prediction);
  if (rows_.expects(1)) return one_row(shape.at);
  return rows_differ(elements_.size());
}

// One row of named values, or lists of rows by name: the request's number of rows decides.
Decoded<void> Answer::read_object(const AnswerShape& shape) {
  const dom::object object = object_in(shape.at);
  if (elements_of(shape.at, elements_)) return read_list(shape);
  named_.clear();
  if (auto ok = row_.collect(object, named_); !ok) return ok;
  bool done = false;
  std::size_t longest = 0;
  for (std::size_t i = 0; i < named_.candidates.size(); ++i) {
    if (named_.candidates[i].kind != Candidate::Kind::list) continue;
    elements_of(named_.elements[i], elements_);
    longest = std::max(longest, elements_.size());
    const bool is_batch = elements_.size() > 1 && rows_.expects(elements_.size());
    if (!is_batch || done) continue;
    if (auto ok = read_named_list(named_, elements_.size(), done); !ok) return ok;
  }
  if (done) return {};
  if (rows_.expects(1)) return rows_.add(row_.read(object, named_));
  const Choice choice = choose(named_.candidates, rules_.prediction_kind);
  const bool has_none = choice.prediction == Choice::none && choice.score == Choice::none;
  if (has_none && !choice.ambiguous) return failed(FailReason::missing_prediction);
  return rows_differ(longest > 1 ? longest : 1);
}

// Of the lists with so many rows the one that is the prediction, with the one that is its score.
Decoded<void> Answer::read_named_list(const AnswerRow::Named& named, std::size_t rows, bool& done) {
  AnswerRow::Named fitting;
  std::vector<dom::element> elements;
  for (std::size_t i = 0; i < named.candidates.size(); ++i) {
    if (named.candidates[i].kind != Candidate::Kind::list) continue;
    elements_of(named.elements[i], elements);
    if (elements.size() != rows) continue;
    fitting.candidates.push_back(named.candidates[i]);
    fitting.elements.push_back(named.elements[i]);
  }
  const Choice choice = choose(fitting.candidates, rules_.prediction_kind);
  if (choice.ambiguous) return row_.ambiguous(fitting, choice);
  const bool has_prediction = choice.prediction != Choice::none;
  if (!has_prediction && choice.score == Choice::none) return {};
  done = true;
  if (rows > rules_.rows_max) return failed(FailReason::too_many_rows);
  elements_of(fitting.elements[has_prediction ? choice.prediction : choice.score], elements_);
  if (!has_prediction) {
    for (const dom::element score : elements_) {
      if (auto ok =
              rows_.add(is_container(score) ? row_.read(score)
                                            : row_.of_score(document_.json().scalar(score).number));
          !ok) {
        return ok;
      }
    }
    return {};
  }
  if (auto ok = rows_of(elements_); !ok || choice.score == Choice::none) return ok;
  elements_of(fitting.elements[choice.score], elements);
  for (std::size_t i = 0; i < rows; ++i) {
    row_.add_score(elements[i], rows_.all()[i]);
  }
  return {};
}

// {"columns": ["id", "price"], "data": [[7, 5.2]]}
Decoded<void> Answer::read_matrix(const AnswerShape& shape) {
  std::vector<Candidate> columns;
  for (const dom::element name : *shape.names) {
    if (columns.size() >= names_max) return failed(FailReason::wrong_shape);
    columns.push_back({text_of(name).value_or("0"), Candidate::Kind::number});
  }
  const Choice choice = choose(columns, PredictionKind::inferred);
  const std::size_t place = choice.prediction != Choice::none ? choice.prediction : choice.score;
  if (choice.ambiguous || place == Choice::none) {
    words_ =
        "the answer's columns do not say which one is the prediction: write it, such as "
        "response.prediction: \"row:/0\" for the first";
    return failed(FailReason::ambiguous_prediction);
  }
  std::vector<dom::element> rows;
  elements_of(shape.at, rows);
  if (!rows_.expects(rows.size())) return rows_differ(rows.size());
  for (const dom::element row : rows) {
    elements_of(row, elements_);
    if (elements_.size() != columns.size()) return failed(FailReason::wrong_shape);
    if (auto ok = rows_.add(row_.read(elements_[place])); !ok) return ok;
    if (choice.score != Choice::none && choice.score != place) {
      row_.add_score(elements_[choice.score], rows_.back());
    }
  }
  return {};
}

Decoded<void> Answer::read_seldon(const AnswerShape& shape) {
  const auto tensor = tensors_.add();
  if (!tensor) return failed(tensor);
  const auto object = object_of(shape.at);
  const auto ok = object ? read_plain_tensor(*object, document_.json(), **tensor, body_values_max)
                         : read_nested(shape.at, document_.json(), **tensor, true, body_values_max);
  if (!ok) return ok;
  if (shape.names) {
    std::vector<std::string_view> names;
    for (const dom::element name : *shape.names) {
      const auto text = text_of(name);
      if (!text || names.size() >= names_max) return failed(FailReason::wrong_shape);
      names.push_back(*text);
    }
    row_.name_classes(std::move(names));
  }
  const auto rows = rows_in(**tensor);
  if (!rows) return rows_differ((*tensor)->rows());
  return rows_of(**tensor, *rows, nullptr);
}

// ---- What the configuration names ----

Decoded<void> Answer::read_configured(const AnswerShape& shape) {
  if (shape.layout == AnswerLayout::tensors) {
    if (auto ok = tensors_.open(shape, document_.json(), binary_); !ok) return ok;
    std::optional<std::size_t> place;
    const Tensor* tensor = nullptr;
    if (prediction_.whole_first) tensor = tensors_.find(prediction_.tokens, true, place);
    const bool in_body = tensor || (prediction_.whole_first && document_.find(prediction_.tokens));
    const bool by_row = rules_.prediction.kind != Place::Kind::response && !in_body;
    if (!tensor && by_row) tensor = tensors_.find(prediction_.tokens, false, place);
    if (tensor) {
      const auto rows = rows_in(*tensor);
      if (!rows) return rows_differ(tensor->rows());
      return rows_of(*tensor, *rows, nullptr, place);
    }
  }
  if (prediction_.whole_first) {
    if (const auto found = document_.find(prediction_.tokens)) {
      AnswerShape there = shape_of(*found);
      if (elements_of(*found, elements_)) return read_list(there);
      return rows_.expects(1) ? one_row(*found) : Decoded<void>(rows_differ(1));
    }
    if (rules_.prediction.kind == Place::Kind::response) return not_found(rules_.prediction);
  }
  return read_each_row(shape);
}

// The rows of the shape as elements; of an object it is the object itself, or its columns by their
// names.
Decoded<void> Answer::read_each_row(const AnswerShape& shape) {
  if (shape.layout == AnswerLayout::tensors || shape.layout == AnswerLayout::value) {
    return not_found(rules_.prediction);
  }
  if (shape.layout == AnswerLayout::object && !elements_of(shape.at, elements_)) {
    const auto found = follow(prediction_.tokens, shape.at);
    if (!found) return not_found(rules_.prediction);
    if (elements_of(*found, elements_)) return read_list(shape_of(*found));
    return rows_.expects(1) ? one_row(*found) : Decoded<void>(rows_differ(1));
  }
  dom::element rows = shape.at;
  if (const auto tensor = object_of(rows); tensor && shape.layout == AnswerLayout::seldon) {
    return not_found(rules_.prediction);  // Its values have no rows to follow.
  }
  elements_of(rows, elements_);
  if (!rows_.expects(elements_.size()) && rows_.expects(1)) elements_.assign(1, rows);
  if (!rows_.expects(elements_.size())) return rows_differ(elements_.size());
  if (elements_.size() > rules_.rows_max) return failed(FailReason::too_many_rows);
  std::size_t found_count = 0;
  for (const dom::element element : elements_) {
    const auto found = in_row(prediction_, element);
    found_count += found.has_value();
    if (auto ok = rows_.add(found ? row_.read(*found) : Prediction{}); !ok) return ok;
  }
  return found_count > 0 ? Decoded<void>{} : Decoded<void>(not_found(rules_.prediction));
}

std::optional<dom::element> Answer::in_row(const Source& source, dom::element row) {
  if (const auto found = follow(source.tokens, row)) return found;
  // A row that is one value by itself is its own place 0.
  const bool is_first = source.tokens.size() == 1 && source.tokens.front() == "0";
  return is_first && !is_container(row) ? std::optional(row) : std::nullopt;
}

// The scores that the configuration names; else, of a configured prediction, what stands beside it
// by a score's name.
Decoded<void> Answer::fill_scores(const AnswerShape& shape) {
  const bool by_name = !score_.configured;
  if (by_name && !prediction_.configured && !shape.beside) return {};
  if (by_name && shape.layout == AnswerLayout::tensors) return {};
  const std::span<Prediction> rows = rows_.all();
  const auto take = [&](std::span<const dom::element> scores) {
    for (std::size_t i = 0; i < rows.size() && scores.size() == rows.size(); ++i) {
      row_.add_score(scores[i], rows[i]);
    }
  };
  const auto take_at = [&](dom::element score) {
    if (elements_of(score, elements_) && elements_.size() == rows.size()) {
      take(elements_);
    } else if (rows.size() == 1) {
      take({&score, 1});
    }
  };
  if (by_name) {
    const std::span<const std::string> tokens = prediction_.tokens;
    const auto parent = prediction_.configured
                            ? object_of(document_.find(tokens.first(tokens.size() - 1)))
                            : shape.beside;
    if (!parent) return {};
    for (const auto field : *parent) {
      if (is_score_name(field.key)) take_at(field.value);
    }
    return {};
  }
  for (Prediction& row : rows) row.score = std::nan("");
  if (shape.layout == AnswerLayout::tensors) {
    std::optional<std::size_t> place;
    const Tensor* tensor = score_.whole_first ? tensors_.find(score_.tokens, true, place) : nullptr;
    if (!tensor) tensor = tensors_.find(score_.tokens, false, place);
    if (!tensor) return not_found(rules_.score);
    const std::size_t width = rows.empty() ? 0 : tensor->values.size() / rows.size();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto values = std::span(tensor->values).subspan(i * width, width);
      if (place && *place >= width) return not_found(rules_.score);
      row_.add_score(place ? values.subspan(*place, 1) : values, rows[i]);
    }
    return {};
  }
  if (score_.whole_first) {
    if (const auto found = document_.find(score_.tokens)) {
      take_at(*found);
      return {};
    }
  }
  if (const auto found = shape.at.is_object() ? follow(score_.tokens, shape.at) : std::nullopt) {
    take_at(*found);
    return {};
  }
  elements_of(shape.at, elements_);
  if (elements_.size() != rows.size()) return {};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto found = in_row(score_, elements_[i]);
    if (found) row_.add_score(*found, rows[i]);
  }
  return {};
}

// ---- Tensors ----

Decoded<void> Answer::read_tensors(const AnswerShape& shape) {
  if (auto ok = tensors_.open(shape, document_.json(), binary_); !ok) return ok;
  return choose_tensor();
}

// By how many rows a tensor can be read: its first extent, or, of rank one, one row of all.
std::optional<std::size_t> Answer::rows_in(const Tensor& tensor) const {
  const std::size_t rows = tensor.shape.empty() ? 1 : static_cast<std::size_t>(tensor.rows());
  const bool has_bytes = tensor.datatype == "BYTES" && tensor.shape.size() == 1;
  if (has_bytes && rows_.expects(1) && AnswerRow::are_classified(tensor.values)) return 1;
  if (rows_.expects(rows)) return rows;
  if (tensor.shape.size() <= 1 && rows_.expects(1)) return 1;
  return std::nullopt;
}

Decoded<void> Answer::choose_tensor() {
  if (tensors_.all().size() == 1) {  // Nearly always, and nothing is to choose.
    const Tensor& only = tensors_.all().front();
    const auto rows = only.values.empty() ? std::nullopt : rows_in(only);
    if (rows) return rows_of(only, *rows, nullptr);
  }
  std::vector<Candidate> candidates;
  std::vector<std::size_t> places;
  std::size_t seen_rows = 0;
  const std::span<const Tensor> tensors = tensors_.all();
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& tensor = tensors[i];
    if (tensor.values.empty()) continue;
    seen_rows = tensor.rows();
    if (!rows_in(tensor)) continue;
    const auto kind = tensor.values.front().kind == ValueKind::text ? Candidate::Kind::text
                                                                    : Candidate::Kind::number;
    candidates.push_back({tensor.name, kind});
    places.push_back(i);
  }
  if (candidates.empty() && seen_rows > 0) return rows_differ(seen_rows);
  if (candidates.empty()) {
    words_ = tensors_.why_empty();
    return failed(FailReason::missing_prediction);
  }
  Choice choice = choose(candidates, rules_.prediction_kind);
  // What has one output only has no other to mean.
  if (candidates.size() == 1) choice = {.prediction = 0};
  if (choice.ambiguous || (choice.prediction == Choice::none && choice.score == Choice::none)) {
    words_ = "the answer has " + std::to_string(candidates.size()) +
             " outputs and none has a prediction's name: write which one, such as "
             "response.prediction: \"row:/" +
             std::string(candidates.front().name) + "\"";
    return failed(FailReason::ambiguous_prediction);
  }
  const bool has_prediction = choice.prediction != Choice::none;
  const Tensor& tensor = tensors[places[has_prediction ? choice.prediction : choice.score]];
  const Tensor* scores =
      has_prediction && choice.score != Choice::none ? &tensors[places[choice.score]] : nullptr;
  return rows_of(tensor, *rows_in(tensor), scores);
}

Decoded<void> Answer::rows_of(const Tensor& tensor, std::size_t rows, const Tensor* scores,
                              std::optional<std::size_t> place) {
  if (auto ok = check_shape(tensor); !ok) return ok;
  if (rows > rules_.rows_max) return failed(FailReason::too_many_rows);
  if (rows == 0 || tensor.values.empty()) return failed(FailReason::missing_prediction);
  const std::size_t width = tensor.values.size() / rows;
  if (place && *place >= width) return not_found(rules_.prediction);
  if (tensor.datatype == "BYTES") row_.expect_classified();
  const bool is_score = !place && width == 1 && is_score_name(tensor.name) &&
                        tensor.values.front().kind == ValueKind::number;
  // All classes beside as many scores.
  const bool are_classes = !place && width > 1 && is_class_list_name(tensor.name) && scores &&
                           scores->values.size() == tensor.values.size();
  for (std::size_t row = 0; row < rows; ++row) {
    auto values = std::span(tensor.values).subspan(row * width, width);
    if (place) values = values.subspan(*place, 1);
    if (are_classes) {
      const auto beside = std::span(scores->values).subspan(row * width, width);
      if (auto ok = rows_.add(AnswerRow::best_class(values, beside)); !ok) return ok;
      continue;
    }
    if (auto ok = rows_.add(is_score ? Decoded<Prediction>(row_.of_score(values.front().number))
                                     : row_.read(values));
        !ok) {
      return ok;
    }
    if (!scores || scores->values.size() % rows != 0) continue;
    const std::size_t score_width = scores->values.size() / rows;
    row_.add_score(std::span(scores->values).subspan(row * score_width, score_width), rows_.back());
  }
  return {};
}

// ---- CSV ----

Decoded<void> Answer::read_table(const Tensor& table, std::span<const std::string_view> names,
                                 std::span<const std::size_t> row_counts) {
  clear();
  rows_.begin(row_counts);
  const auto rows = static_cast<std::size_t>(table.shape[0]);
  const auto width = static_cast<std::size_t>(table.shape[1]);
  const bool one_line =
      names.empty() && rows == 1 && width > 1 && rows_.expects(width) && !rows_.expects(1);
  std::size_t place = Choice::none, score = Choice::none;
  if (prediction_.configured) {
    const std::string& token = prediction_.tokens.back();
    const auto named = std::find(names.begin(), names.end(), token);
    const auto index = parse_uint(token);
    if (named != names.end()) {
      place = static_cast<std::size_t>(named - names.begin());
    } else if (index && *index < width) {
      place = *index;
    }
    if (place == Choice::none || prediction_.tokens.size() != 1)
      return not_found(rules_.prediction);
  } else if (!names.empty()) {
    std::vector<Candidate> columns;
    for (const std::string_view name : names) columns.push_back({name, Candidate::Kind::number});
    const Choice choice = choose(columns, PredictionKind::inferred);
    place = choice.prediction != Choice::none ? choice.prediction : choice.score;
    score = choice.score;
    if (choice.ambiguous || place == Choice::none) {
      words_ =
          "the answer's columns do not say which one is the prediction: write it, such as "
          "response.prediction: \"row:/" +
          std::string(names.front()) + "\"";
      return failed(FailReason::ambiguous_prediction);
    }
  }
  if (!one_line && !rows_.expects(rows)) return rows_differ(rows);
  for (std::size_t row = 0; row < (one_line ? width : rows); ++row) {
    const std::span values = one_line ? std::span(table.values).subspan(row, 1)
                                      : std::span(table.values).subspan(row * width, width);
    const bool whole = one_line || place == Choice::none;
    if (auto ok = rows_.add(row_.read(whole ? values : values.subspan(place, 1))); !ok) return ok;
    if (score != Choice::none && score != place) {
      row_.add_score(values.subspan(score, 1), rows_.back());
    }
  }
  return rows_.judge(row_);
}

// ---- Rows ----

Decoded<void> Answer::rows_of(std::span<const dom::element> elements) {
  for (const dom::element element : elements) {
    if (auto ok = rows_.add(row_.read(element)); !ok) return ok;
  }
  return {};
}

Decoded<void> Answer::one_row(dom::element element) {
  return rows_.add(row_.read(element));
}

tl::unexpected<FailReason> Answer::rows_differ(std::size_t rows) {
  words_ = rows_.mismatch(rows);
  return failed(FailReason::wrong_shape);
}

tl::unexpected<FailReason> Answer::not_found(const Place& place) {
  words_ =
      "the answer has nothing at " + place.text +
      ": a pointer leads from the whole body (json:/outputs/0/data), or from each row (row:/price)";
  return failed(FailReason::pointer_not_found);
}

}  // namespace outrider::decode
