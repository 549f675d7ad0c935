// SPDX-License-Identifier: Apache-2.0
#pragma once

// GET /api/v1/slices?model=NAME[&version=…][&since=RFC3339]: in which slices of the inputs did the
// error rate rise since the change? Over the joined rows of the prediction log, in the slices of
// the version's own reference (detectors/subject_slices.h) and the configured segments
// (detectors/error_slices.h). SHELL: reads the log.
//
//   SlicesApi slices(log, find, clock);        // find(model, version): slice_subject() under the monitor's lock
//   slices.handle(request)                     // docs/http-api.md has the answer
//
// With `&counts=true[&rows=N]` nothing is judged: the answer has the counts themselves, of at most
// N rows a side (reference/slice_counts.h). Those of all pods add up, so whoever asks all of them
// judges the model. It is no look, and spends nothing.
//
// `since` is the accuracy alarm's estimate of the change where the request has none. The rows
// before it are those of the four times as long before, a day at least and 30 days at most.
// Bounds. One request at a time (503 for others). Of each side at most `rows_max` rows are read,
// for at most `seconds_max`; the answer says where reading stopped. Rows become counts as they are
// read, none is kept. Looks. Asking again while rows come in is another look, and all looks at one
// change share its 2.5 %: the answer stays the same until the rows since the change have doubled
// (detectors/pane_looks.h). Of the 64 changes asked for last. Errors: 400 bad_request, bad_since;
// 403 features_not_kept; 404 unknown_model; 409 no_reference, no_change; 503 log_unavailable, busy.
// Too few rows is an answer: `verdict`.

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/net/http_server.h"
#include "base/wire/json.h"
#include "detectors/error_slices.h"
#include "detectors/pane_looks.h"
#include "sidecar/monitor/versions/monitor.h"
#include "truth/log/prediction_log.h"

namespace outrider::monitor {

// What of a version is needed to judge its rows.
struct SliceSubject {
  VersionName name;
  SharedReference reference;
  truth::Tolerance tolerance;
  bool classification = false;
  std::optional<Time> changed;  // By the accuracy alarm, where one stands.
};

// `version` empty: the model's version that was active last. Errors: "unknown_model",
// "no_reference".
Result<SliceSubject> slice_subject(const Monitor& monitor, const std::string& model,
                                   const std::string& version);

struct SliceLimits {
  std::uint64_t rows_max = 500'000;
  Duration seconds_max = std::chrono::seconds(4);
};

class SlicesApi {
 public:
  using Log = std::function<truth::PredictionLog*()>;  // Null while it is not open.
  using Find =
      std::function<Result<SliceSubject>(const std::string& model, const std::string& version)>;

  SlicesApi(bool keep_features, Log log, Find find, const Clock& clock, SliceLimits limits = {});

  net::HttpResponse handle(const net::HttpRequest& request);  // Thread-safe.

 private:
  struct Looked {
    VersionName name;
    Time since{};
    detectors::PaneLooks looks;
    wire::Json answer;
  };
  Looked& looked(const VersionName& name, Time since);
  net::HttpResponse count(const truth::PredictionLog& log, const SliceSubject& subject, Time since,
                          const std::string& rows_text);
  net::HttpResponse judge(const truth::PredictionLog& log, const SliceSubject& subject, Time since,
                          bool from_alarm);

  const bool keep_features_;
  const Log log_;
  const Find find_;
  const Clock& clock_;
  const SliceLimits limits_;
  const std::string name_;  // Of this process: whoever sums counts takes it once.
  std::mutex busy_;         // Held by the request at hand; guards `looked_`.
  std::deque<Looked> looked_;
};

}  // namespace outrider::monitor
