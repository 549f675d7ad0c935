// SPDX-License-Identifier: Apache-2.0
#pragma once

// POST /api/v1/erase: what goes by an id, an alias or a key of the data is erased, with its truth.
//
//   {"id": "order-88123"}      or a list of at most 1 000; "row" for one row of a request, and
//                              "cluster", "namespace", "workload", "model" (or in the query) for
//                              one workload's alone
//   200 {"results": [{"predictions": 1, "joined": 0, "held_labels": 0, "names": 1}, …]}
//
// A second time finds nothing, and is a 200 as well. What was made before and comes later (out of
// a queue) is left out as it comes. Counters that were advanced stay. Errors: 400 bad_erase; 503
// log_busy, log_unavailable, erase_full, journal_failed.

#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/net/http_server.h"
#include "base/wire/json.h"
#include "truth/api/access_journal.h"
#include "truth/log/prediction_log.h"

namespace outrider::truth {

inline constexpr std::string_view erase_path = "/api/v1/erase";

// PURE. `whose`: what the query says. Error "bad_erase".
Result<std::vector<EraseWish>> parse_wishes(std::string_view body, const Scope& whose);
// The same as a body; each wish says itself whose it is.
std::string write_wishes(const std::vector<EraseWish>& wishes);

// Journals how many went of how many names. Null: no journal is kept.
net::HttpResponse erase(PredictionLog& log, const std::vector<EraseWish>& wishes,
                        const net::HttpRequest& request, AccessJournal* journal);

}  // namespace outrider::truth
