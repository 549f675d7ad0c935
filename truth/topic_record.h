// SPDX-License-Identifier: Apache-2.0
#pragma once

// Predictions and labels as records of one topic (Kafka): shipment.proto's TopicRecord. PURE.
//
// The key of a record is the name by which the label will come, without a row, so that a
// prediction and its label are in one partition, in their order: a key of the data where the
// prediction has one (request.id), else the id that the proxy minted. It is the rule of
// truth/sample.h. A request with a key in each row has a record for each of them.
//
// A label may be JSON as well: one object as POST /api/v1/labels takes it, with `workload`,
// `namespace`, `cluster` and `model` in it where it says whose it is.

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "truth/prediction.h"
#include "truth/scope.h"
#include "truth/shipment.h"

namespace outrider::truth {

inline constexpr std::uint32_t topic_record_version = 1;

struct TopicLabel {
  GroundTruth label;
  Scope scope;
  bool operator==(const TopicLabel&) const = default;
};

// The key that goes with a name: a UUIDv7 in its canonical form and without "_{row}", any other
// text as it is.
std::string topic_key(std::string_view name);
// The distinct keys of a prediction, in their order; one at least.
std::vector<std::string> topic_keys(const PredictionView& prediction);

// `shipment`: bytes of a shipment with one prediction, as ShipmentWriter makes them.
std::string write_topic_prediction(std::string_view shipment);
// The label brings no prediction along.
std::string write_topic_label(const TopicLabel& label);

// The shipment's `complete_until` is `now` and its stream is closed: a topic is waited for by
// offsets, not by streams. Errors: "invalid_record", "newer_record", each with what was found.
using TopicContent = std::variant<DecodedShipment, TopicLabel>;
Result<TopicContent> parse_topic_record(std::string_view value, Time now, bool keep_features);

}  // namespace outrider::truth
