// SPDX-License-Identifier: Apache-2.0
#pragma once

// One row of an answer as a Prediction, whatever the model wrote for it. Not thread-safe.
//
//   5.2, "cat", true           itself
//   [5.2]                      what is in it
//   [0.1, 0.9]                 probabilities (each in [0, 1], sum 1): the class with the largest, its score;
//                              any numbers where the configuration says classification
//   ["0.9:2:cat", …]           Triton's classification: score:index:label, the best one
//   [["cat", 0.9], …]          TensorFlow's :classify; the same as [{"label", "score"}, …]: the best one
//   {"price": 5.2, …}          named values: prediction_names.h
//   {"classes": […], "scores": […]}   Vertex AI, canned estimators: the class with the largest score
//   {"probabilities": {"cat": 0.9, …}}                             the same
//   null, NaN, Infinity, [], {"error": …}      a row that the model failed: a missing value
//
// A text is a class; one with decimals ("90.10") is a number. A date is no prediction unless it is
// named one. Numbers that could be several things are refused, not guessed: ambiguous_prediction.

#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/monitor/decode/json.h"
#include "sidecar/monitor/decode/prediction_names.h"
#include "sidecar/monitor/decode/rules.h"

namespace outrider::decode {

class AnswerRow {
 public:
  AnswerRow(const Rules& rules, JsonTree& json) : rules_(rules), json_(json) {}

  void clear();
  // Names of a vector's places where the configuration has none: Seldon's.
  void name_classes(std::vector<std::string_view> names) { class_names_ = std::move(names); }

  // Whether all are Triton's "score:index:label": the best classes of one row.
  static bool are_classified(std::span<const FeatureValue> values);
  // The values are Triton's "score:index:label", also where a row has one.
  void expect_classified() { has_classified_ = true; }

  // Failures: ambiguous_prediction, missing_prediction (an object without any).
  Decoded<Prediction> read(dom::element row);
  Decoded<Prediction> read(std::span<const FeatureValue> values);
  // The class with the largest score; a failed row where one has none. As many of each.
  static Prediction best_class(std::span<const FeatureValue> classes,
                               std::span<const FeatureValue> scores);
  // A value as the configured kind wants it. wrong_type: a text where a number is wanted.
  Decoded<Prediction> judged(Prediction prediction);

  // Adds the probability that a score's value says, unless there is one: a number, or the largest
  // of several. A whole number beside the probabilities of all classes is a class.
  void add_score(dom::element score, Prediction& to);
  void add_score(std::span<const FeatureValue> scores, Prediction& to);
  // A score alone: the class that it stands for, or itself.
  Prediction of_score(double score) const;

  // An object's named values, nested objects flattened. Lists, and objects that are scores, stay
  // whole.
  struct Named {
    std::vector<Candidate> candidates;
    std::vector<dom::element> elements;
    void clear();
  };
  Decoded<void> collect(dom::object object, Named& into);
  // An object whose named values were collected, and that is no error.
  Decoded<Prediction> read(dom::object object, const Named& named);
  // What was seen and what to write, of the last ambiguous_prediction.
  const std::string& words() const { return words_; }
  tl::unexpected<FailReason> ambiguous(const Named& named, const Choice& choice);

 private:
  Decoded<void> collect(std::string_view name, dom::element value, Named& into);
  Prediction read_one(const FeatureValue& value);
  Decoded<Prediction> read_list(dom::array list);
  Decoded<Prediction> read_object(dom::object object);
  Decoded<Prediction> read_counted(dom::object object);
  Decoded<Prediction> read_score(dom::element score);
  static Candidate::Kind kind_of(dom::element value);
  Decoded<Prediction> best_of_pairs(dom::array list);
  Decoded<Prediction> best_class(dom::element classes, dom::element scores);
  Decoded<Prediction> best_key(dom::object scores);
  Prediction class_at(std::size_t index, double score);
  Decoded<Prediction> refuse(FailReason reason, std::string words);
  std::string_view keep(std::string text);  // Until clear().

  const Rules& rules_;
  JsonTree& json_;
  std::vector<std::string_view> class_names_;
  bool has_classified_ = false;
  std::vector<FeatureValue> values_;
  Named named_;
  std::deque<std::string> kept_;
  std::size_t kept_bytes_ = 0;
  std::string words_;
};

// A list's elements, or the members of an object whose keys are an index ("0", "1", …), as pandas
// writes a Series. False for anything else, and then `into` is empty.
bool elements_of(dom::element element, std::vector<dom::element>& into);

}  // namespace outrider::decode
