// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a decoder makes of an exchange, as one line of text.

#include <cmath>
#include <string>
#include <utility>

#include "base/core/text.h"
#include "sidecar/monitor/decode/decoder.h"
#include "test/support/catch.h"
#include "test/support/exchanges.h"

namespace outrider::test {

using namespace outrider::decode;
using tap::Disposal;

// An observation as one text, so that a golden is one line:
// "model/version | size=1800 bedrooms=3 -> 90 | …"; texts in quotes, missing "-", a score behind
// '@'.
inline std::string text_of(const FeatureValue& value) {
  if (value.kind == ValueKind::missing) return "-";
  if (value.kind == ValueKind::number) return format_double(value.number);
  return "'" + std::string(value.text) + "'";
}

inline std::string describe(const Observation& o) {
  std::string text = std::string(o.model_name) + "/" + std::string(o.model_version);
  if (o.model_failed) return text + " failed";
  for (const Row& row : o.rows) {
    text += " |";
    for (std::size_t i = 0; i < row.features.size(); ++i) {
      text += " " + o.names->names[i] + "=" + text_of(row.features[i]);
    }
    text += " -> " + text_of(row.prediction.value);
    if (!std::isnan(row.prediction.score)) text += "@" + format_double(row.prediction.score);
    if (!row.segment.empty()) text += " in " + std::string(row.segment);
  }
  return text;
}

inline std::string outcome_of(Decoder& decoder, const MadeExchange& made) {
  const tap::Exchange exchange = made.view();
  const auto outcome = decoder.decode(exchange);
  if (outcome) return describe(*outcome);
  const Disposal& disposal = outcome.error();
  if (disposal.kind == Disposal::Kind::skipped) {
    return "skipped " + std::string(to_string(disposal.skip_reason));
  }
  return "failed " + std::string(to_string(disposal.fail_reason));
}

inline std::string decode_one(const MadeExchange& made, Rules rules = {}) {
  Decoder decoder(std::move(rules));
  const std::string first = outcome_of(decoder, made);
  // What a decoder learned from an exchange must not change what it makes of the same one.
  CHECK(outcome_of(decoder, made) == first);
  return first;
}

}  // namespace outrider::test
