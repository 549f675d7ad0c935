// SPDX-License-Identifier: Apache-2.0
#pragma once

// Exchanges that come as CloudEvents, as KServe's logger sends them: one event for the request, one
// for the response, with the same id. PURE.
//
// Types ending in "inference.request" and "inference.response" (org.kubeflow.serving.inference.…);
// extensions inferenceservicename, namespace, component, endpoint. Binary mode (ce-* fields, the
// body is the data), structured mode (application/cloudevents+json) and batches of the latter.
// Source: CloudEvents 1.0.2, HTTP protocol binding and JSON event format; KServe's pkg/logger.
//
// What KServe's logger does, and a reader of its events must know: it logs whatever is asked of the
// server, metadata too (without a body); a response of any status, with the attribute statuscode
// (kserve#6036), or, in older releases, only when its status is 200; with the Content-Type of the
// *request* on both; neither path nor Content-Encoding nor Inference-Header-Content-Length. A Ce-Id
// of the caller's is the id, so services in a chain that pass it on share one.

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"

namespace outrider::decode {

struct CloudEvent {
  std::string id;
  bool is_response = false;
  std::string model_name;  // inferenceservicename; "" when it is not said.
  std::string scope;       // Namespace, component and endpoint: whose id it is.
  std::string component;   // predictor, transformer or explainer; "" when it is not said.
  std::string data_type;   // Content-Type of the data.
  std::string data;
  std::optional<Time> time;
  int status = 200;  // Of a response: statuscode, as the model answered; 200 where it is not said.

  std::size_t bytes() const {
    return sizeof *this + id.size() + model_name.size() + scope.size() + data.size();
  }
  // What a request and its response have in common, and nothing else has.
  std::string key() const { return id + '\n' + model_name + '\n' + scope; }
};

// What a body that comes without its own fields says of itself.
struct BodyNature {
  std::string_view type;    // `said_type`, unless the bytes are plainly JSON or server-sent events.
  std::string_view coding;  // Content-Encoding.
  std::string json_bytes;   // Of the JSON before binary tensors; "" when nothing follows it.
};
BodyNature nature_of(std::string_view body, std::string_view said_type);

// A field of the HTTP request by its name; "" when absent.
using FieldOf = std::function<std::string_view(std::string_view name)>;

// Errors: "invalid_json", "json_too_deep", "invalid_event" (no id, an unknown type, bad base64, a
// statuscode that is none: says which).
Result<std::vector<CloudEvent>> parse_cloud_events(const FieldOf& field, std::string_view body);

// Requests and responses by key until both are there. Bounded in entries, bytes and time: what
// never finds its other half is counted, and what comes again after its pair is passed over:
// delivery by a broker is at least once. Not thread-safe.
class EventPairs {
 public:
  struct Limits {
    std::size_t entries = 10'000;
    std::size_t bytes = 32 << 20;
    Duration age = std::chrono::minutes(5);
  };
  struct Pair {
    CloudEvent request, response;
  };

  EventPairs() : EventPairs(Limits{}) {}
  explicit EventPairs(Limits limits) : limits_(limits) {}

  // The pair that the event completes. An event that comes twice replaces the first, or is a
  // duplicate of one of the last `entries` pairs.
  std::optional<Pair> add(CloudEvent event, Time now);
  // Gives up those that waited too long. How many were given up, for age or room, since the last
  // call.
  std::size_t take_given_up(Time now);
  // Gives up all.
  std::size_t clear();
  std::size_t waiting() const { return halves_.size(); }
  std::uint64_t duplicates() const { return duplicates_; }

 private:
  struct Half {
    CloudEvent event;
    Time since{};
    std::uint64_t number = 0;
  };
  void drop_oldest();
  void remember(std::string key);

  Limits limits_;
  std::unordered_map<std::string, Half> halves_;             // By key.
  std::deque<std::pair<std::uint64_t, std::string>> order_;  // Number and key, the oldest first.
  std::unordered_set<std::string> paired_;
  std::deque<std::string> paired_order_;
  std::uint64_t duplicates_ = 0;
  std::uint64_t next_number_ = 0;
  std::size_t bytes_ = 0;
  std::size_t given_up_ = 0;
};

}  // namespace outrider::decode
