// SPDX-License-Identifier: Apache-2.0
#pragma once

// Shipments of predictions as bytes: shipment.proto. PURE.
//
//   ShipmentWriter writer;                                   // In the sidecar.
//   writer.add(id, sequence, prediction);                    // Copies; about 0.2 us.
//   for (ShipmentBody& body : writer.finish(about, model_rule, 1 << 20))    // And empty again.
//     body.bytes += sent_at(now);                                    // Each time it is sent.
//
//   auto shipment = decode_shipment(body, now, keep_features);   // In the agent.
//   log.take(std::move(*shipment));

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "truth/append_buffer.h"
#include "truth/correctness.h"
#include "truth/prediction.h"
#include "truth/sample.h"
#include "truth/scope.h"
#include "truth/streams.h"
#include "truth/truth_consumer.h"

namespace outrider::truth {

inline constexpr std::uint32_t shipment_version = 1;
inline constexpr std::string_view shipment_content_type = "application/x-protobuf";

// Of the sidecar: what every shipment begins with.
struct ShipmentHead {
  Workload workload;
  std::string pod;
  Uuid stream;
  Time complete_until{};
  bool closed = false;
  Sample sample = {};
};

struct ShipmentBody {
  std::string bytes;
  std::uint64_t rows = 0;
};

// Not thread-safe.
class ShipmentWriter {
 public:
  // The id is the parsed prediction.id. `feature_set` tells distinct lists of feature names apart
  // (0: none are kept); its names are taken when it is first seen.
  // False for one of more than `bytes_max`, encoded: it is left out.
  bool add(const Uuid& id, std::uint64_t sequence, const PredictionView& prediction,
           std::uint64_t feature_set, std::size_t bytes_max = SIZE_MAX);

  std::size_t bytes() const { return predictions_.size(); }
  std::uint64_t rows() const { return rows_; }
  // Bodies of about `bytes_max` each; one at least. Only the last says what the head does of
  // completeness.
  std::vector<ShipmentBody> finish(
      const ShipmentHead& head,
      const std::function<JudgeRule(std::string_view model, std::string_view version)>& rule_of,
      std::size_t bytes_max = SIZE_MAX);

 private:
  struct Model {
    std::string name, version;
  };
  struct Features {
    std::uint64_t serial = 0;
    std::vector<std::string> names;
  };
  std::uint64_t model_of(std::string_view name, std::string_view version);
  std::uint64_t features_of(const PredictionView& prediction, std::uint64_t serial);

  struct End {
    std::size_t bytes = 0;
    std::uint64_t rows = 0;
  };
  std::string predictions_;  // Encoded,
  std::vector<End> ends_;    // and where each ends.
  std::string row_, message_;
  std::vector<Model> models_;
  std::vector<Features> features_;
  std::uint64_t rows_ = 0;
};

// What is put behind a finished shipment when it is sent: messages of protobuf are merged so.
std::string sent_at(Time now);

struct DecodedShipment {
  Uuid stream;
  Sender sender;
  std::vector<ShippedModel> models;  // At most 200 segments each.
  AppendBuffer predictions;
  std::vector<std::uint64_t> sequences;  // Of the entries.
  std::uint64_t refused = 0;             // Rows of requests that are longer than 1 MiB, encoded.
};

// What became of a shipment's rows.
struct ShipmentTaken {
  std::uint64_t rows = 0, rows_again = 0;
  std::uint64_t lost = 0;  // Left out before or between them.
};

// `now` is the receiver's time. Errors: "invalid_shipment" (no message of this kind, or one that
// makes no sense, with what was found), "newer_shipment".
Result<DecodedShipment> decode_shipment(std::string_view body, Time now, bool keep_features);

}  // namespace outrider::truth
