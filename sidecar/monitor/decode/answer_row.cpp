// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/answer_row.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/core/text.h"
#include "detectors/value_reader.h"
#include "sidecar/monitor/decode/protocols/error_body.h"
#include "sidecar/monitor/decode/protocols/generic.h"

namespace outrider::decode {
namespace {

constexpr std::size_t kept_bytes_max = 32 << 20;    // Texts that had to be made.
constexpr std::size_t candidates_max = 1 << 12;     // Named values of an object that are looked at.
constexpr std::size_t words_names_bytes_max = 100;  // Of a name in an explanation.

Prediction of_value(const FeatureValue& value) {
  Prediction prediction;
  prediction.value = value;
  return prediction;
}

Prediction failed_row() {
  return {};
}

bool are_probabilities(std::span<const FeatureValue> values) {
  double sum = 0;
  for (const FeatureValue& value : values) {
    if (value.kind != ValueKind::number || !(value.number >= 0 && value.number <= 1)) return false;
    sum += value.number;
  }
  return values.size() > 1 && std::abs(sum - 1) < 1e-3;
}

struct Classified {
  double score = 0;
  std::string_view label;  // Its index where the model has no labels.
};

// "0.914:2:tabby" or "0.914:2", as Triton writes it. A label may have colons.
std::optional<Classified> parse_classified(std::string_view text) {
  const std::size_t first = text.find(':');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = std::min(text.find(':', first + 1), text.size());
  const std::string_view written = text.substr(0, first);
  if (written.find('.') == std::string_view::npos) return std::nullopt;  // "12:30" is a time.
  const auto score = parse_double(written);
  const std::string_view index = text.substr(first + 1, second - first - 1);
  if (!score || !parse_uint(index)) return std::nullopt;
  const std::string_view label = text.substr(std::min(second + 1, text.size()));
  return Classified{*score, label.empty() ? index : label};
}

std::optional<Prediction> best_classified(std::span<const FeatureValue> values) {
  std::optional<Prediction> best;
  for (const FeatureValue& value : values) {
    if (value.kind != ValueKind::text) return std::nullopt;
    const auto one = parse_classified(value.text);
    if (!one) return std::nullopt;
    if (best && !(one->score > best->score)) continue;
    best = of_value(FeatureValue::of(one->label));
    best->score = one->score;
  }
  return best;
}

// "2026-01-02", "2026-01-02T10:00:00": when, not what.
bool is_date(std::string_view text) {
  constexpr std::string_view pattern = "dddd-dd-dd";
  if (text.size() < pattern.size()) return false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (pattern[i] == 'd' ? !digit : text[i] != pattern[i]) return false;
  }
  return text.size() == pattern.size() || text[10] == 'T' || text[10] == ' ';
}

// What a model writes as a text is a class ("0", "07") unless it has decimals: "90.10" is a number,
// which a program wrote as a text to keep its places.
bool is_class_text(std::string_view text) {
  return !text.empty() && text.find('.') == std::string_view::npos;
}

// "result.price" as a pointer; a name with a slash or a tilde escapes it.
std::string pointer_of(std::string_view flattened) {
  std::string pointer = "/";
  for (const char c : flattened.substr(0, words_names_bytes_max)) {
    if (c == '.') {
      pointer += '/';
    } else if (c == '/' || c == '~') {
      pointer += c == '/' ? "~1" : "~0";
    } else {
      pointer += c;
    }
  }
  return pointer;
}

}  // namespace

bool AnswerRow::are_classified(std::span<const FeatureValue> values) {
  return best_classified(values).has_value();
}

Candidate::Kind AnswerRow::kind_of(dom::element value) {
  if (value.is_number()) return Candidate::Kind::number;
  if (value.is_null()) return Candidate::Kind::missing;
  const bool is_number =
      value.is_string() && parse_plain_decimal(value.get_string().value_unsafe());
  return is_number ? Candidate::Kind::number : Candidate::Kind::text;
}

bool elements_of(dom::element element, std::vector<dom::element>& into) {
  into.clear();
  if (const auto list = array_of(element)) {
    for (const dom::element one : *list) into.push_back(one);
    return true;
  }
  const auto object = object_of(element);
  if (!object || !protocols::has_index_keys(*object)) return false;
  for (const auto field : *object) into.push_back(field.value);
  return true;
}

void AnswerRow::Named::clear() {
  candidates.clear();
  elements.clear();
}

void AnswerRow::clear() {
  class_names_.clear();
  has_classified_ = false;
  if (!kept_.empty()) kept_.clear();
  kept_bytes_ = 0;
  words_.clear();
}

Decoded<Prediction> AnswerRow::read(dom::element row) {
  if (const auto list = array_of(row)) return read_list(*list);
  if (const auto object = object_of(row)) {
    return protocols::has_index_keys(*object) ? read_counted(*object) : read_object(*object);
  }
  return of_value(json_.scalar(row));
}

Decoded<Prediction> AnswerRow::read(std::span<const FeatureValue> values) {
  if (values.empty()) return failed_row();
  if (values.size() == 1) return read_one(values.front());
  const bool is_whole = std::none_of(values.begin(), values.end(), [](const FeatureValue& value) {
    return value.kind == ValueKind::missing;
  });
  if (!is_whole) return failed_row();
  if (const auto best = best_classified(values)) return *best;
  const bool are_numbers = std::all_of(values.begin(), values.end(), [](const FeatureValue& value) {
    return value.kind == ValueKind::number;
  });
  const bool classifies = rules_.prediction_kind == PredictionKind::classification;
  const bool may_classify = rules_.prediction_kind != PredictionKind::regression;
  if (are_numbers && (classifies || (may_classify && are_probabilities(values)))) {
    const auto best =
        std::max_element(values.begin(), values.end(),
                         [](const auto& a, const auto& b) { return a.number < b.number; });
    return class_at(static_cast<std::size_t>(best - values.begin()), best->number);
  }
  return refuse(
      FailReason::ambiguous_prediction,
      "a row of the answer has " + std::to_string(values.size()) +
          " values that are no probabilities: write response.kind: classification where the "
          "largest is the class, or response.prediction: \"row:/0\" where the first is meant");
}

Prediction AnswerRow::read_one(const FeatureValue& value) {
  return has_classified_ ? best_classified({&value, 1}).value_or(of_value(value)) : of_value(value);
}

Decoded<Prediction> AnswerRow::read_list(dom::array list) {
  if (list.size() == 0) return failed_row();
  const bool are_values = std::none_of(list.begin(), list.end(), is_container);
  if (are_values) {
    values_.clear();
    for (const dom::element one : list) values_.push_back(json_.scalar(one));
    return read(std::span<const FeatureValue>(values_));
  }
  if (list.size() == 1) return read(*list.begin());
  return best_of_pairs(list);
}

// {"0": 0.1, "1": 0.9}: a Series of pandas.
Decoded<Prediction> AnswerRow::read_counted(dom::object object) {
  values_.clear();
  for (const auto field : object) {
    if (is_container(field.value)) return failed(FailReason::missing_prediction);
    values_.push_back(json_.scalar(field.value));
  }
  return read(std::span<const FeatureValue>(values_));
}

// [["cat", 0.9], …] or [{"label": "cat", "score": 0.9}, …]: the best one.
Decoded<Prediction> AnswerRow::best_of_pairs(dom::array list) {
  Prediction best = failed_row();
  for (const dom::element one : list) {
    Prediction offered = failed_row();
    if (const auto pair = array_of(one); pair && pair->size() == 2) {
      const dom::element label = *pair->begin(), score = *++pair->begin();
      if (is_container(label) || !score.is_number()) break;
      offered = of_value(json_.scalar(label));
      offered.score = json_.scalar(score).number;
    } else if (const auto object = object_of(one)) {
      const auto read = read_object(*object);
      if (!read) return read;
      offered = *read;
    }
    if (offered.value.kind == ValueKind::missing || std::isnan(offered.score)) {
      best = failed_row();
      break;
    }
    if (!(offered.score <= best.score)) best = offered;
  }
  if (best.value.kind != ValueKind::missing) return best;
  return refuse(FailReason::ambiguous_prediction,
                "a row of the answer is a list of lists or objects without label and score: write "
                "where the prediction is, such as response.prediction: \"row:/0/value\"");
}

Decoded<Prediction> AnswerRow::read_object(dom::object object) {
  Named named = std::move(named_);  // An object in an object takes another one.
  named.clear();
  if (auto ok = collect(object, named); !ok) return failed(ok);
  const auto prediction =
      protocols::says_error(object) ? Decoded<Prediction>(failed_row()) : read(object, named);
  named_ = std::move(named);
  return prediction;
}

Decoded<Prediction> AnswerRow::read(dom::object object, const Named& named) {
  const Choice choice = choose(named.candidates, rules_.prediction_kind);
  // Who names the score alone means it, and not whatever else is there.
  const bool score_decides = rules_.score.kind != Place::Kind::inferred && !choice.by_name;
  if (score_decides && choice.score != Choice::none)
    return read_score(named.elements[choice.score]);
  if (choice.ambiguous) return ambiguous(named, choice);
  if (choice.prediction == Choice::none) {
    if (choice.score != Choice::none) return read_score(named.elements[choice.score]);
    if (protocols::may_be_error(object)) return failed_row();
    return failed(FailReason::missing_prediction);
  }
  const dom::element chosen = named.elements[choice.prediction];
  if (choice.score != Choice::none && chosen.is_array() && array_of(chosen)->size() > 1 &&
      is_class_list_name(named.candidates[choice.prediction].name)) {
    return best_class(chosen, named.elements[choice.score]);
  }
  auto prediction = read(chosen);
  if (prediction && choice.score != Choice::none) {
    add_score(named.elements[choice.score], *prediction);
  }
  return prediction;
}

Decoded<Prediction> AnswerRow::read_score(dom::element score) {
  if (const auto keyed = object_of(score)) return best_key(*keyed);
  if (score.is_array()) return read(score);
  return of_score(json_.scalar(score).number);
}

// {"classes": ["a", "b"], "scores": [0.1, 0.9]}
Decoded<Prediction> AnswerRow::best_class(dom::element classes, dom::element scores) {
  std::vector<dom::element> names, values;
  elements_of(classes, names);
  if (!elements_of(scores, values) || names.size() != values.size()) {
    return refuse(
        FailReason::ambiguous_prediction,
        "a row of the answer has several classes and not as many scores: write which one is "
        "the prediction, such as response.prediction: \"row:/classes/0\"");
  }
  std::vector<FeatureValue> labels, numbers;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (is_container(names[i])) return failed_row();
    labels.push_back(json_.scalar(names[i]));
    numbers.push_back(json_.scalar(values[i]));
  }
  return best_class(labels, numbers);
}

Prediction AnswerRow::best_class(std::span<const FeatureValue> classes,
                                 std::span<const FeatureValue> scores) {
  Prediction best = failed_row();
  for (std::size_t i = 0; i < classes.size(); ++i) {
    if (scores[i].kind != ValueKind::number) return failed_row();
    if (scores[i].number <= best.score) continue;
    best = of_value(classes[i]);
    best.score = scores[i].number;
  }
  return best;
}

// {"cat": 0.1, "dog": 0.9}
Decoded<Prediction> AnswerRow::best_key(dom::object scores) {
  values_.clear();
  std::vector<std::string_view> names;
  for (const auto field : scores) {
    if (is_container(field.value)) return failed(FailReason::missing_prediction);
    values_.push_back(json_.scalar(field.value));
    names.push_back(field.key);
  }
  if (values_.size() < 2 || !are_probabilities(values_))
    return failed(FailReason::missing_prediction);
  const auto prediction = read(std::span<const FeatureValue>(values_));
  if (!prediction || std::isnan(prediction->score)) return prediction;
  const auto best =
      std::max_element(values_.begin(), values_.end(),
                       [](const auto& a, const auto& b) { return a.number < b.number; });
  Prediction named = *prediction;
  named.value = FeatureValue::of(names[static_cast<std::size_t>(best - values_.begin())]);
  return named;
}

Prediction AnswerRow::class_at(std::size_t index, double score) {
  Prediction prediction;
  if (index < rules_.classes.size()) {
    prediction.value = FeatureValue::of(std::string_view(rules_.classes[index]));
  } else if (index < class_names_.size()) {
    prediction.value = FeatureValue::of(class_names_[index]);
  } else {
    prediction.value = FeatureValue::of(keep(std::to_string(index)));
  }
  prediction.score = score;
  return prediction;
}

void AnswerRow::add_score(dom::element score, Prediction& to) {
  values_.clear();
  if (const auto object = object_of(score)) {
    for (const auto field : *object) values_.push_back(json_.scalar(field.value));
  } else if (const auto list = array_of(score)) {
    for (const dom::element one : *list) values_.push_back(json_.scalar(one));
  } else {
    values_.push_back(json_.scalar(score));
  }
  add_score(values_, to);
}

void AnswerRow::add_score(std::span<const FeatureValue> scores, Prediction& to) {
  if (!std::isnan(to.score)) return;
  for (const FeatureValue& value : scores) {
    if (value.kind == ValueKind::number && !(value.number <= to.score)) to.score = value.number;
  }
  const bool is_whole =
      to.value.kind == ValueKind::number && to.value.number == std::floor(to.value.number);
  if (is_whole && rules_.prediction_kind == PredictionKind::inferred && are_probabilities(scores)) {
    to.value = FeatureValue::of(keep(format_double(to.value.number)));
  }
}

Prediction AnswerRow::of_score(double score) const {
  if (std::isnan(score)) return failed_row();
  Prediction prediction = of_value(FeatureValue::of(score));
  prediction.score = score;
  if (rules_.prediction_kind == PredictionKind::classification) {
    prediction.value = FeatureValue::of(std::string_view(
        score >= rules_.score_threshold ? rules_.positive_class : rules_.negative_class));
  }
  return prediction;
}

Decoded<Prediction> AnswerRow::judged(Prediction prediction) {
  FeatureValue& value = prediction.value;
  const bool is_number = value.kind == ValueKind::number;
  if (value.kind == ValueKind::missing || (is_number && !std::isfinite(value.number))) {
    return failed_row();
  }
  if (rules_.prediction_kind == PredictionKind::regression) {
    const auto number = detectors::as_number(value);
    if (!number) return failed(FailReason::wrong_type);
    value = FeatureValue::of(*number);
  } else if (is_number && (is_class_text(value.text) ||
                           rules_.prediction_kind == PredictionKind::classification)) {
    std::string scratch;
    const std::string_view text = detectors::canonical_text(value, scratch);
    value = FeatureValue::of(text.data() == scratch.data() ? keep(std::move(scratch)) : text);
  }
  return prediction;
}

Decoded<void> AnswerRow::collect(dom::object object, Named& into) {
  for (const auto field : object) {
    if (auto ok = collect(field.key, field.value, into); !ok) return ok;
  }
  return {};
}

Decoded<void> AnswerRow::collect(std::string_view name, dom::element value, Named& into) {
  using Kind = Candidate::Kind;
  if (into.candidates.size() >= candidates_max) return {};
  if (!is_container(value)) {
    if (value.is_string() && is_date(value.get_string().value_unsafe())) return {};
    into.candidates.push_back({name, kind_of(value)});
    into.elements.push_back(value);
    return {};
  }
  const auto object = object_of(value);
  const bool is_score = object && is_score_name(name);
  if (object && !is_score && !protocols::has_index_keys(*object)) {
    for (const auto field : *object) {
      kept_bytes_ += sizeof(std::string) + name.size() + 1 + field.key.size();
      if (kept_bytes_ > kept_bytes_max) return failed(FailReason::wrong_shape);
      const std::string_view full = keep(std::string(name) + "." + std::string(field.key));
      if (auto ok = collect(full, field.value, into); !ok) return ok;
    }
    return {};
  }
  into.candidates.push_back({name, is_score ? Kind::object : Kind::list});
  into.elements.push_back(value);
  return {};
}

tl::unexpected<FailReason> AnswerRow::ambiguous(const Named& named, const Choice& choice) {
  words_ = "the prediction could be";
  const char* before = " ";
  for (const std::size_t place : {choice.one, choice.other}) {
    if (place == Choice::none) continue;
    words_ += before + pointer_of(named.candidates[place].name);
    before = " or ";
  }
  words_ += " of the answer: write which one, such as response.prediction: \"json:" +
            pointer_of(named.candidates[choice.one].name) + "\"";
  return failed(FailReason::ambiguous_prediction);
}

Decoded<Prediction> AnswerRow::refuse(FailReason reason, std::string words) {
  words_ = std::move(words);
  return failed(reason);
}

std::string_view AnswerRow::keep(std::string text) {
  kept_.push_back(std::move(text));
  return kept_.back();
}

}  // namespace outrider::decode
