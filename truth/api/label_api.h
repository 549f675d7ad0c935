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
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/net/http_client.h"
#include "base/net/http_server.h"
#include "truth/api/access_journal.h"
#include "truth/label_parser.h"
#include "truth/log/prediction_log.h"

namespace outrider::truth {

// Of a log with the predictions of many workloads: `?cluster=…&namespace=…&workload=…&model=…` of
// a request say whose its labels are, as far as they say it. A label that brings its prediction
// along needs `workload`: else it is `invalid`.
//
// Labels of either route, out of a request with the path of one of them.
using LabelItems = Result<std::vector<ParsedLabel>>;
LabelItems read_labels(const net::HttpRequest& request);

// Whether who was sent labels may have joined them, though it has not said so. A refusal at its
// door, or of a log that is closed, is a word on that: it has not.
bool may_have_joined(const Result<net::ClientResponse>& response);
// Of a query, "true": the labels may have been joined by the other agent of a pair.
inline constexpr std::string_view in_doubt_parameter = "in-doubt";

// As JoinOptions has it; what is of each is of each item of the request, readable or not.
struct LabelHandling {
  bool passed = false;
  std::vector<bool> each_passed = {}, claimed = {};
  bool asked = false;
};
struct TakenLabels {
  net::HttpResponse response;  // Error responses as above.
  // Of each item. Nothing where none was a label, or the log could not take them.
  std::vector<LabelAnswer> answers = {};
};
TakenLabels take_labels(PredictionLog& log, const net::HttpRequest& request, LabelItems items,
                        const LabelHandling& handling);
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
