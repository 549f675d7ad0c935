// SPDX-License-Identifier: Apache-2.0
#pragma once

// card.json: what a version is, for people and for retraining: data, code, parameters, metrics
// overall and by segment, parent, time, and what the gates said. PURE.

#include <string>
#include <vector>

#include "base/core/clock.h"
#include "base/wire/json.h"
#include "predictor/gates/gates.h"
#include "predictor/train/dataset.h"
#include "predictor/train/training.h"

namespace outrider::train {

// Who asked for a retraining, and why; empty for a person's own `train`.
struct Trigger {
  std::string reason = {};
  std::string incident = {};
  std::string idempotency_key = {};
  std::string job = {};
};

struct CardInputs {
  std::string version;
  std::string parent;  // The production version at the time; "" when none.
  Time created{};
  const Dataset& dataset;
  const Settings& settings;
  const Trained& trained;
  std::string original;               // The CSV file of the first rows; kept for retraining.
  std::string strategy = "all rows";  // Which rows and why; see retrain.
  Trigger trigger = {};
};

wire::Json make_card(const CardInputs& inputs);
wire::Json to_json(const evaluate::Metrics& metrics, bool classes);
wire::Json to_json(const gates::Judgement& judgement, const std::string& against);

// The settings a card was trained with. Errors: "card_damaged", "card_invalid".
Result<wire::Json> parse_card(std::string_view text);
Result<Settings> settings_of(const wire::Json& card);

}  // namespace outrider::train
