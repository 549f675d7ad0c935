// SPDX-License-Identifier: Apache-2.0
#include "sidecar/decode/answer.h"

#include <algorithm>
#include <cmath>

#include "base/core/text.h"

namespace outrider::decode {
namespace {

constexpr std::size_t lists_max = 4'096;  // Lists and tensors of one body.
constexpr std::size_t class_names_max = 1 << 16;
constexpr std::size_t kept_bytes_max = 32 << 20;  // Texts that had to be made.
constexpr std::size_t scalars_max = 1 << 12;      // Fields of an object that are looked at.
constexpr std::size_t no_rank = 1'000;

// In the order of preference.
constexpr std::string_view prediction_names[] = {
    "prediction",      "predictions", "predicted", "predicted_value", "predicted_class",
    "predicted_label", "result",      "output",    "value",           "label",
    "class",           "class_name",  "category",  "y_pred",          "y",
    "target",          "estimate"};
constexpr std::string_view score_names[] = {"score",      "probability",   "prob",  "proba",
                                            "confidence", "probabilities", "scores"};
constexpr std::string_view meta_names[] = {
    "id",         "request_id",    "prediction_id", "trace_id", "model",
    "model_name", "model_version", "version",       "name",     "timestamp",
    "time",       "latency",       "latency_ms",    "duration", "duration_ms",
    "elapsed",    "elapsed_ms",    "status",        "message",  "success",
    "ok",         "code",          "created",       "object",   "system_fingerprint"};

template <std::size_t N>
std::size_t rank(const std::string_view (&names)[N], std::string_view name) {
  const auto found = std::find(std::begin(names), std::end(names), name);
  return found == std::end(names) ? no_rank : static_cast<std::size_t>(found - std::begin(names));
}

bool is_score(std::string_view name) {
  return rank(score_names, name) != no_rank;
}

bool is_meta(std::string_view name) {
  const std::string_view root = name.substr(0, name.find('.'));
  return root == "meta" || root == "metadata" || root == "usage" ||
         rank(meta_names, name) != no_rank;
}

Prediction of_scalar(const FeatureValue& value) {
  Prediction prediction;
  prediction.value = value;
  return prediction;
}

bool are_probabilities(std::span<const FeatureValue> values) {
  double sum = 0;
  for (const FeatureValue& value : values) {
    if (value.kind != ValueKind::number || !(value.number >= 0 && value.number <= 1)) return false;
    sum += value.number;
  }
  return values.size() > 1 && std::abs(sum - 1) < 1e-3;
}

double score_of(std::span<const FeatureValue> values) {
  double best = std::nan("");
  for (const FeatureValue& value : values) {
    if (value.kind == ValueKind::number && !(value.number <= best)) best = value.number;
  }
  return best;
}

std::string rule_name(const Place& place) {
  const bool pointer = place.kind == Place::Kind::json || place.kind == Place::Kind::response;
  return pointer ? flattened_name(place.text) : std::string();
}

}  // namespace

Answer::Answer(const Rules& rules)
    : rules_(rules),
      prediction_name_(rule_name(rules.prediction)),
      score_name_(rule_name(rules.score)) {}

void Answer::start(std::size_t expected_rows) {
  expected_rows_ = expected_rows;
  has_rows_ = false;
  rows_.clear();
  scalars_.clear();
  class_names_.clear();
  if (holds_much()) named_.clear();
  named_count_ = 0;
  if (!kept_.empty()) kept_.clear();
  kept_bytes_ = 0;
  document_ = nullptr;
}

Decoded<void> Answer::read_table(const Tensor& table, std::span<const std::string_view> names,
                                 std::size_t expected_rows) {
  start(expected_rows);
  const auto width = static_cast<std::size_t>(table.shape[1]);
  if (names.empty()) {
    scratch_ = table;
    const bool one_line = table.shape[0] == 1 && expected_rows > 1 && width == expected_rows;
    if (one_line) scratch_.shape = {width};
    if (auto ok = rows_of(scratch_, nullptr); !ok) return ok;
    return finish();
  }
  for (std::size_t first = 0; first < table.values.size(); first += width) {
    row_scalars_.clear();
    for (std::size_t i = 0; i < width; ++i) {
      row_scalars_.push_back({names[i], table.values[first + i]});
    }
    const auto chosen = choose(row_scalars_);
    if (!chosen) return failed(FailReason::missing_prediction);
    rows_.push_back(*chosen);
  }
  return finish();
}

Decoded<void> Answer::read(std::string_view json, std::string_view binary,
                           std::size_t expected_rows) {
  start(expected_rows);
  const auto opened = json_.open(json);
  if (!opened) return failed(opened);
  document_ = *opened;

  ondemand::json_type type{};
  if (document_->type().get(type) != simdjson::SUCCESS) {
    return failed(trim(json).starts_with("NaN") ? FailReason::invalid_number
                                                : FailReason::invalid_json);
  }
  if (type == ondemand::json_type::object) {
    ondemand::object body;
    OUTRIDER_TAKE(body, document_->get_object());
    if (auto ok = read_object(body); !ok) return ok;
  } else if (type == ondemand::json_type::array) {
    ondemand::value list;
    OUTRIDER_TAKE(list, document_->get_value());
    if (auto ok = read_list(list); !ok) return ok;
  } else {
    FeatureValue value;
    if (type == ondemand::json_type::number) {
      value.kind = ValueKind::number;
      OUTRIDER_TAKE(value.number, document_->get_double());
    } else if (type == ondemand::json_type::string) {
      value.kind = ValueKind::text;
      OUTRIDER_TAKE(value.text, document_->get_string());
    } else if (type == ondemand::json_type::boolean) {
      bool flag = false;
      OUTRIDER_TAKE(flag, document_->get_bool());
      value = FeatureValue::of(flag ? std::string_view("true") : std::string_view("false"));
    }
    rows_.push_back(of_scalar(value));
    has_rows_ = true;
  }
  if (auto ok = expect_end(*document_); !ok) return ok;
  return conclude(binary);
}

Decoded<void> Answer::read_object(ondemand::object body) {
  for (auto item : body) {
    OUTRIDER_NAME(field, item);
    if (auto ok = read_field(field); !ok) return ok;
  }
  return {};
}

Decoded<void> Answer::read_field(ondemand::field& field) {
  std::string_view key;
  OUTRIDER_TAKE(key, field.unescaped_key());
  ondemand::json_type type{};
  const bool known = field.value().type().get(type) == simdjson::SUCCESS;
  const bool array = known && type == ondemand::json_type::array;
  const bool object = known && type == ondemand::json_type::object;
  if (key == "predictions" && array) return read_list(field.value());
  if (key == "outputs" && (array || object)) return read_outputs(field.value());
  if (key == "data" && object) {
    ondemand::object data;
    OUTRIDER_TAKE(data, field.value().get_object());
    return read_seldon(data);
  }
  if (array) {
    // Lists of anything but values are not for us; they are not read.
    const std::size_t left = values_left();
    const auto named = next_named(key);
    if (!named) return failed(named);
    const auto ok = read_nested(field.value(), (*named)->tensor, true, left);
    if (!ok && ok.error() == FailReason::wrong_type) {
      --named_count_;
      return {};
    }
    return ok;
  }
  return collect(key, field.value(), 0, scalars_);
}

Decoded<void> Answer::read_list(ondemand::value value) {
  ondemand::array list;
  OUTRIDER_TAKE(list, value.get_array());
  has_rows_ = true;
  for (auto item : list) {
    ondemand::value element;
    OUTRIDER_TAKE(element, item);
    if (rows_.size() >= rules_.rows_max) return failed(FailReason::too_many_rows);
    const auto row = read_row(element);
    if (!row) return failed(row);
    rows_.push_back(*row);
  }
  return {};
}

Decoded<Prediction> Answer::read_row(ondemand::value value) {
  ondemand::json_type type{};
  const bool known = value.type().get(type) == simdjson::SUCCESS;
  if (known && type == ondemand::json_type::object) {
    row_scalars_.clear();
    if (auto ok = collect("", value, 0, row_scalars_); !ok) return failed(ok);
    const auto chosen = choose(row_scalars_);
    if (!chosen) return failed(FailReason::missing_prediction);
    return *chosen;
  }
  if (known && type == ondemand::json_type::array) {
    scratch_.clear();
    if (auto ok = read_nested(value, scratch_, false, body_values_max); !ok) return failed(ok);
    if (scratch_.values.empty()) return failed(FailReason::missing_prediction);
    return of_vector(scratch_.values);
  }
  const auto scalar = read_scalar(value);
  if (!scalar) return failed(scalar);
  return of_scalar(*scalar);
}

// V2: a list of tensor objects. TF-Serving's columns: an object of lists, or one list.
Decoded<void> Answer::read_outputs(ondemand::value outputs) {
  ondemand::json_type type{};
  OUTRIDER_TAKE(type, outputs.type());
  if (type == ondemand::json_type::object) {
    ondemand::object columns;
    OUTRIDER_TAKE(columns, outputs.get_object());
    return read_output_columns(columns);
  }
  ondemand::array list;
  OUTRIDER_TAKE(list, outputs.get_array());
  Tensor* plain = nullptr;  // When the elements are values, not tensors; never both.
  const std::size_t plain_left = values_left();
  bool has_tensors = false;
  for (auto item : list) {
    ondemand::value element;
    OUTRIDER_TAKE(element, item);
    OUTRIDER_TAKE(type, element.type());
    if (type == ondemand::json_type::object) {
      ondemand::object object;
      OUTRIDER_TAKE(object, element.get_object());
      if (plain) return failed(FailReason::wrong_shape);
      const std::size_t left = values_left();
      const auto named = next_named("");
      if (!named) return failed(named);
      if (auto ok = read_tensor(object, (*named)->tensor, left); !ok) return ok;
      (*named)->name = (*named)->tensor.name;
      has_tensors = true;
      continue;
    }
    if (has_tensors) return failed(FailReason::wrong_shape);
    if (!plain) {
      const auto named = next_named("outputs");
      if (!named) return failed(named);
      plain = &(*named)->tensor;
    }
    const std::size_t before = plain->values.size();
    if (auto ok = read_nested(element, *plain, false, plain_left); !ok) return ok;
    const std::uint64_t inner = plain->values.size() - before;
    if (plain->shape.empty()) plain->shape = {0, inner};
    if (plain->shape[1] != inner) return failed(FailReason::wrong_shape);
    ++plain->shape[0];
  }
  return {};
}

Decoded<void> Answer::read_output_columns(ondemand::object columns) {
  for (auto item : columns) {
    ondemand::field field;
    OUTRIDER_TAKE(field, item);
    std::string_view key;
    OUTRIDER_TAKE(key, field.unescaped_key());
    const std::size_t left = values_left();
    const auto named = next_named(key);
    if (!named) return failed(named);
    if (auto ok = read_nested(field.value(), (*named)->tensor, true, left); !ok) return ok;
  }
  return {};
}

Decoded<void> Answer::read_seldon(ondemand::object data) {
  for (auto item : data) {
    ondemand::field field;
    OUTRIDER_TAKE(field, item);
    std::string_view key;
    OUTRIDER_TAKE(key, field.unescaped_key());
    ondemand::value value = field.value();
    if (key == "names") {
      ondemand::array names;
      OUTRIDER_TAKE(names, value.get_array());
      for (auto name : names) {
        std::string_view text;
        OUTRIDER_TAKE(text, name.get_string());
        if (class_names_.size() >= class_names_max) return failed(FailReason::wrong_shape);
        class_names_.push_back(text);
      }
    } else if (key == "ndarray" || key == "tensor") {
      const std::size_t left = values_left();
      const auto named = next_named("prediction");
      if (!named) return failed(named);
      Tensor& tensor = (*named)->tensor;
      if (key == "ndarray") {
        if (auto ok = read_nested(value, tensor, true, left); !ok) return ok;
        continue;
      }
      ondemand::object object;
      OUTRIDER_TAKE(object, value.get_object());
      if (auto ok = read_plain_tensor(object, tensor, left); !ok) return ok;
    } else if (auto ok = collect(key, value, 1, scalars_); !ok) {
      return ok;
    }
  }
  return {};
}

// Every scalar below a value, with flattened names. Lists below an object are not looked at.
Decoded<void> Answer::collect(std::string_view name, ondemand::value value, int depth,
                              std::vector<Scalar>& into) {
  if (depth > depth_max) return failed(FailReason::json_too_deep);
  ondemand::json_type type{};
  const bool known = value.type().get(type) == simdjson::SUCCESS;
  if (known && type == ondemand::json_type::array) return {};
  if (!known || type != ondemand::json_type::object) {
    const auto scalar = read_scalar(value);
    if (!scalar) return failed(scalar);
    if (into.size() < scalars_max) into.push_back({name, *scalar});
    return {};
  }
  ondemand::object object;
  OUTRIDER_TAKE(object, value.get_object());
  for (auto item : object) {
    ondemand::field field;
    OUTRIDER_TAKE(field, item);
    std::string_view key;
    OUTRIDER_TAKE(key, field.unescaped_key());
    std::string_view full = key;
    if (!name.empty()) {
      kept_bytes_ += sizeof(std::string) + name.size() + 1 + key.size();
      if (kept_bytes_ > kept_bytes_max) return failed(FailReason::wrong_shape);
      full = keep(std::string(name) + "." + std::string(key));
    }
    if (auto ok = collect(full, field.value(), depth + 1, into); !ok) return ok;
  }
  return {};
}

Decoded<void> Answer::conclude(std::string_view binary) {
  if (auto ok = read_binary_outputs(binary); !ok) return ok;
  if (has_rows_) return finish();

  const auto chosen = choose(scalars_);
  const Tensor* prediction = nullptr;
  const Tensor* scores = nullptr;
  std::size_t best = no_rank + 1;
  for (std::size_t i = 0; i < named_count_; ++i) {
    const Named& named = named_[i];
    if (named.tensor.values.empty() && named.tensor.shape.empty()) continue;
    if ((!score_name_.empty() && named.name == score_name_) ||
        (score_name_.empty() && is_score(named.name) && named_count_ > 1)) {
      scores = &named.tensor;
      continue;
    }
    std::size_t place = prediction_name_.empty()         ? rank(prediction_names, named.name)
                        : named.name == prediction_name_ ? 0
                                                         : no_rank;
    if (place < best) {
      best = place;
      prediction = &named.tensor;
    }
  }
  // A list that has the prediction's name beats a scalar, and so does any list where no scalar is
  // one.
  if (prediction && (!chosen || best < no_rank)) {
    if (auto ok = rows_of(*prediction, scores); !ok) return ok;
    return finish();
  }
  if (chosen) {
    rows_.push_back(*chosen);
    if (scores && std::isnan(rows_.back().score)) rows_.back().score = score_of(scores->values);
    return finish();
  }
  return failed(FailReason::missing_prediction);
}

Decoded<void> Answer::read_binary_outputs(std::string_view binary) {
  for (std::size_t i = 0; i < named_count_; ++i) {
    Tensor& tensor = named_[i].tensor;
    if (!tensor.is_binary) continue;
    if (tensor.binary_bytes > binary.size()) return failed(FailReason::wrong_shape);
    const std::string_view own = binary.substr(0, tensor.binary_bytes);
    if (auto ok = read_binary({&tensor, 1}, own, values_left()); !ok) return ok;
    binary.remove_prefix(own.size());
  }
  return binary.empty() ? Decoded<void>{} : failed(FailReason::wrong_shape);
}

Decoded<void> Answer::rows_of(const Tensor& tensor, const Tensor* scores) {
  if (auto ok = check_shape(tensor); !ok) return ok;
  std::size_t rows = tensor.shape.empty() ? 1 : static_cast<std::size_t>(tensor.shape.front());
  if (rows != expected_rows_ && expected_rows_ == 1 && tensor.shape.size() <= 1) rows = 1;
  if (rows > rules_.rows_max) return failed(FailReason::too_many_rows);
  if (rows == 0 || tensor.values.empty()) return failed(FailReason::missing_prediction);
  const std::size_t inner = tensor.values.size() / rows;
  for (std::size_t row = 0; row < rows; ++row) {
    const std::span values(tensor.values.data() + row * inner, inner);
    rows_.push_back(of_vector(values));
    if (scores && std::isnan(rows_.back().score) && scores->values.size() % rows == 0) {
      const std::size_t width = scores->values.size() / rows;
      rows_.back().score = score_of(std::span(scores->values).subspan(row * width, width));
    }
  }
  return {};
}

std::optional<Prediction> Answer::choose(std::span<const Scalar> scalars) {
  const Scalar* chosen = nullptr;
  const Scalar* score = nullptr;
  const Scalar* first_text = nullptr;
  const Scalar* first_number = nullptr;
  std::size_t best = no_rank;
  for (const Scalar& scalar : scalars) {
    if (scalar.value.kind == ValueKind::missing) continue;
    if (!score_name_.empty() ? scalar.name == score_name_ : is_score(scalar.name)) {
      if (!score) score = &scalar;
      if (scalar.name != prediction_name_) continue;
    }
    if (!prediction_name_.empty()) {
      if (scalar.name == prediction_name_) chosen = &scalar;
      continue;
    }
    if (is_meta(scalar.name)) continue;
    const std::size_t place = rank(prediction_names, scalar.name);
    if (place < best) {
      best = place;
      chosen = &scalar;
    }
    const bool number = scalar.value.kind == ValueKind::number;
    if (number && !first_number) first_number = &scalar;
    if (!number && !first_text) first_text = &scalar;
  }
  if (!chosen && prediction_name_.empty()) chosen = first_number ? first_number : first_text;
  const bool has_score = score && score->value.kind == ValueKind::number;
  if (!chosen) {
    if (!has_score || !prediction_name_.empty()) return std::nullopt;
    // Only a score: the class that it stands for, or the score itself as the prediction.
    Prediction prediction = of_scalar(score->value);
    prediction.score = score->value.number;
    if (rules_.prediction_kind == PredictionKind::classification) {
      prediction.value = FeatureValue::of(
          std::string_view(prediction.score >= rules_.score_threshold ? rules_.positive_class
                                                                      : rules_.negative_class));
    }
    return prediction;
  }
  Prediction prediction = of_scalar(chosen->value);
  if (has_score) prediction.score = score->value.number;
  return prediction;
}

Prediction Answer::of_vector(std::span<const FeatureValue> values) {
  const bool classes =
      values.size() > 1 && rules_.prediction_kind != PredictionKind::regression &&
      (rules_.prediction_kind == PredictionKind::classification || are_probabilities(values));
  if (!classes || values.front().kind == ValueKind::text) return of_scalar(values.front());
  std::size_t best = 0;
  for (std::size_t i = 1; i < values.size(); ++i) {
    if (values[i].number > values[best].number) best = i;
  }
  Prediction prediction;
  prediction.value = FeatureValue::of(best < class_names_.size() ? class_names_[best]
                                                                 : keep(std::to_string(best)));
  prediction.score = values[best].number;
  return prediction;
}

Decoded<void> Answer::finish() {
  if (expected_rows_ != 0 && rows_.size() != expected_rows_) return failed(FailReason::wrong_shape);
  for (Prediction& row : rows_) {
    const auto prediction = judged(row);
    if (!prediction) return failed(prediction);
    row = *prediction;
  }
  return {};
}

Decoded<Prediction> Answer::judged(Prediction prediction) {
  FeatureValue& value = prediction.value;
  if (value.kind == ValueKind::missing) return failed(FailReason::missing_prediction);
  if (rules_.prediction_kind == PredictionKind::classification && value.kind == ValueKind::number) {
    value = FeatureValue::of(keep(format_double(value.number)));
  } else if (rules_.prediction_kind == PredictionKind::regression &&
             value.kind == ValueKind::text) {
    const auto number = parse_double(value.text);
    if (!number) return failed(FailReason::wrong_type);
    value = FeatureValue::of(*number);
  }
  return prediction;
}

std::string_view Answer::field(std::string_view name) {
  for (const Scalar& scalar : scalars_) {
    if (scalar.name != name) continue;
    std::string scratch;
    const std::string_view text = as_category(scalar.value, scratch);
    return text.data() == scratch.data() ? keep(std::move(scratch)) : text;
  }
  return {};
}

std::string_view Answer::keep(std::string text) {
  kept_.push_back(std::move(text));
  return kept_.back();
}

bool Answer::holds_much() const {
  if (named_.size() > 64) return true;
  return std::any_of(named_.begin(), named_.end(), [](const Named& named) {
    return decode::holds_much({&named.tensor, 1});
  });
}

std::size_t Answer::values_left() const {
  std::size_t left = body_values_max;
  for (std::size_t i = 0; i < named_count_; ++i) left -= named_[i].tensor.values.size();
  return left;
}

Decoded<Answer::Named*> Answer::next_named(std::string_view name) {
  if (named_count_ >= lists_max) return failed(FailReason::wrong_shape);
  if (named_count_ == named_.size()) named_.emplace_back();
  Named& named = named_[named_count_++];
  named.name = name;
  named.tensor.clear();
  return &named;
}

}  // namespace outrider::decode
