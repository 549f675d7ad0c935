// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which of an answer's named values is the prediction, and which its score. PURE.
//
// 1. Names that are the prediction's in every program that uses them: prediction, predictions,
//    predicted…, y_pred, y_hat, forecast. Of several the first in the table.
// 2. Names of a class (class_name, label, class, category, species, …) or of an estimate (value,
//    result, output, y, target, …). An answer that has both kinds is ambiguous: which one is meant,
//    nobody can tell.
// 3. The only value that is neither a score nor about the answer itself (id, model, version, time,
// unit, …). Otherwise there is none, or it is ambiguous: the configuration must name it.
//
// A score is a value by the name of score, probability, confidence, … An interval's ends (lower,
// upper, …), what an explanation adds and numbers of the server (latency, count) are about the
// answer.

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "sidecar/monitor/decode/rules.h"

namespace outrider::decode {

struct Candidate {
  enum class Kind : std::uint8_t { missing, number, text, list, object };
  std::string_view name;  // Flattened: "result.price".
  Kind kind = Kind::missing;
};

struct Choice {
  static constexpr std::size_t none = static_cast<std::size_t>(-1);
  std::size_t prediction = none;
  std::size_t score = none;
  bool by_name = false;    // The prediction's name says that it is one.
  bool ambiguous = false;  // Several could be the prediction; two of them:
  std::size_t one = none, other = none;
};

// O(candidates). Of kind regression a text is none but by the names of 1 and of an estimate.
Choice choose(std::span<const Candidate> candidates, PredictionKind kind);

bool is_score_name(std::string_view name);
// Class names beside scores, as Vertex AI and canned estimators list them: classes, labels,
// class_names.
bool is_class_list_name(std::string_view name);

}  // namespace outrider::decode
