// SPDX-License-Identifier: Apache-2.0
#pragma once

// The HTTP face of labels on the sidecar's admin port:
//
//   POST /api/v1/labels           ours (one, array, NDJSON), SageMaker's ground-truth lines
//   POST /api/v1.0/feedback       Seldon's {request, response, reward, truth}
//   GET  /api/v1/training-data    ?since=RFC3339&format=csv|ndjson; 403 unless features are kept
//
// An answer: 200 {"results": [{"id", "result", "message"?}, …], "counts": {"joined": 2, …}}, in the
// order of the labels. Nothing but invalid labels: 400 with "error" and "message" beside the
// results. A body that is no JSON, or has too many labels: 400/413. The log cannot take them now:
// 503 with Retry-After; sending again is safe, always.
//
// `?fan-out=true` (the agent asks every pod): see JoinOptions.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/net/http_server.h"
#include "truth/api/access_journal.h"
#include "truth/log/prediction_log.h"

namespace outrider::truth {

// Of a log with the predictions of many workloads: `?cluster=…&namespace=…&workload=…&model=…` of
// a request say whose its labels are, as far as they say it. A label that brings its prediction
// along needs `workload`: else it is `invalid`.
//
// Labels of either route, out of a request with the path of one of them. Error responses as above.
struct LabelHandling {
  bool passed = false;  // JoinOptions::passed.
  // JoinOptions::counted, of each item of the request, readable or not.
  std::optional<std::vector<bool>> counted_elsewhere = {};
  // Called when at least one label of the request is on disk, before it is answered.
  std::function<void(const net::HttpRequest&)> acknowledged = {};
};
net::HttpResponse handle_labels(PredictionLog& log, const net::HttpRequest& request,
                                const LabelHandling& handling);

// cluster, namespace, workload and model of the query, as far as they stand there.
Scope read_scope(const net::HttpRequest& request);

// Joined rows as training data, of the scope; CSV has the features of those rows alone.
// Who reads is journalled before, and how many rows came of it afterwards (null: no journal is
// kept).
net::HttpResponse give_training_data(const PredictionLog& log, const net::HttpRequest& request,
                                     const std::shared_ptr<std::atomic<int>>& streams,
                                     AccessJournal* journal);

// Adds the three routes, GET /api/v1/export and POST /api/v1/erase. Log and journal must outlive
// the router's server.
void add_label_routes(net::Router& router, PredictionLog& log, AccessJournal* journal = nullptr);

// The same routes for a monitor whose log could not be opened: each answers 503 with the reason.
void add_unavailable_label_routes(net::Router& router, std::string reason);

}  // namespace outrider::truth
