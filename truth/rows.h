// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the places that give rows away share. PURE.

#include "base/wire/json.h"
#include "truth/codec.h"
#include "truth/prediction.h"

namespace outrider::truth {

// A prediction of the log as a row, its truth not known yet.
JoinedRow row_of(StoredPrediction&& prediction);

// JSON has no NaN and no infinity: null.
wire::Json to_json(double number);
wire::Json to_json(const Value& value);
wire::Json to_json(const FeatureValue& value);

}  // namespace outrider::truth
