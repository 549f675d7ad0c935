// SPDX-License-Identifier: Apache-2.0
#pragma once

// POST /api/v1/labels where labels go to a topic (Kafka) instead of a log: the agent that has their
// partition joins and counts them. No I/O of its own: whoever calls says how records are sent.
//
// An answer: 200 {"results": [{"id", "result", "message"?}, …], "counts": {"queued": 2, …}} in the
// order of the labels, once the topic has every readable one. `queued`: it is in the topic, and
// what became of it is counted there (outrider_labels_total). Nothing but invalid labels: 400. Not
// taken by the brokers: 503 with Retry-After; sending again is safe, always.

#include <functional>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/net/http_server.h"
#include "truth/scope.h"

namespace outrider::truth {

struct KeyedRecord {
  std::string key, value;
};
// Waits until all of them are in the topic. Any error: none of them may be.
using PublishRecords = std::function<Result<void>(const std::vector<KeyedRecord>&)>;

net::HttpResponse publish_labels(const net::HttpRequest& request, const Scope& scope,
                                 const PublishRecords& publish);

}  // namespace outrider::truth
