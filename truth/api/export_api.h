// SPDX-License-Identifier: Apache-2.0
#pragma once

// GET /api/v1/export: predictions of a stretch of time with their truth where it is known, in
// pages. For people and their notebooks; `outrider export` asks page after page.
//
//   ?from=RFC3339&to=RFC3339     made from the one on and before the other; both are needed
//   &model=…&workload=…&namespace=…&cluster=…
//   &features=size,rooms         named one by one; of others nothing is given
//   &labelled=true               only those with a truth
//   &cursor=N                    from an answer's Outrider-Next on
//
// 200 with NDJSON, one row a line; the header Outrider-Next is there until the last page:
//   {"id", "time", "cluster"?, "namespace"?, "workload"?, "model", "version", "prediction",
//    "score"?, "segment"?, "label"?, "label_time"?, "labelled_at"?, "features"?}
// Rows come in the order of their ids' times. A cursor is a place in that order, not in a snapshot:
// each row that is there all along comes exactly once, however long the pages take and whatever is
// restarted between them. A row that is shipped or labelled late is as it is when its page is read.
//
// Bounds: a page has at most about 5 000 rows or 4 MiB, and is read for at most a second; two pages
// at one time (503 for others). Errors: 400 bad_from, bad_to, bad_cursor; 403 features_not_kept;
// 503 log_unavailable, busy.

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/net/http_server.h"
#include "truth/api/access_journal.h"
#include "truth/log/prediction_log.h"

namespace outrider::truth {

inline constexpr std::string_view export_path = "/api/v1/export";
inline constexpr std::string_view export_next_header = "Outrider-Next";

// `readers` counts the pages that are being read. Each page is journalled (null: no journal is
// kept).
net::HttpResponse give_export(const PredictionLog& log, const net::HttpRequest& request,
                              const std::shared_ptr<std::atomic<int>>& readers,
                              AccessJournal* journal);

// One line, with its end. `features`: the ones that are given, where the row has them.
void append_export_row(std::string& out, const LoggedRow& row,
                       const std::vector<std::string>& features);

}  // namespace outrider::truth
