// SPDX-License-Identifier: Apache-2.0
#pragma once

// What an answer's names mean, in one table: which may be the prediction or a score, which are
// about the answer or the model, which say that it is an error or a language model's. PURE. One
// look-up is ~10 ns.

#include <cstdint>
#include <string_view>

namespace outrider::decode {

struct NameRole {
  enum Flag : std::uint16_t {
    sure = 1,          // The prediction's in every program that uses it: prediction, y_pred, …
    of_class = 2,      // A class: label, class_name, …
    of_value = 4,      // An estimate: value, result, y, …
    score = 8,         // score, probability, …
    other = 16,        // About the answer, the model or the server: id, version, latency, unit, …
    error = 32,        // Says an error by name, or by a flag or a state.
    maybe_error = 64,  // Says one where there is no prediction: detail, message, code.
    language_model = 128  // Language models' answers have it: choices, generated_text, done, …
  };
  std::uint16_t flags = 0;
  std::uint8_t rank = 0;  // Among the names of its flag; the first is preferred.

  bool is(Flag flag) const { return (flags & flag) != 0; }
};

// Without regard to case; {} for a name that is not in the table.
NameRole role_of(std::string_view name);

}  // namespace outrider::decode
