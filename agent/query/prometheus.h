// SPDX-License-Identifier: Apache-2.0
#pragma once

// Asks Prometheus (or Thanos, Mimir, VictoriaMetrics) for instant values and ranges. Not
// thread-safe: one a thread. Source: the Prometheus documentation, "HTTP API: instant queries",
// "range queries".

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/incident/incident.h"
#include "base/core/result.h"
#include "base/core/series.h"
#include "base/net/http_client.h"

namespace outrider::query {

struct InstantValue {
  Labels labels;
  double value = 0;
};

// PURE. Errors: those of parse_json, "bad_answer" (not an instant vector or scalar), "query_failed"
// (what Prometheus says).
Result<std::vector<InstantValue>> parse_instant_answer(std::string_view body);

// PURE. The series of a range query, each with its samples in time order. Errors: as above,
// "bad_answer" when it is no matrix.
Result<std::vector<Series>> parse_range_answer(std::string_view body);

class Prometheus {
 public:
  // `url` is where /api/v1/query hangs: "http://127.0.0.1:9090".
  explicit Prometheus(std::string url, Duration timeout = std::chrono::seconds(2));
  // `prepare` adds to each question what it is to be known by, and whom to trust.
  using Prepare = std::function<Result<void>(net::ClientRequest&)>;
  Prometheus(std::string url, Prepare prepare, Duration timeout = std::chrono::seconds(2));

  // Errors: those of HttpClient and of parse_instant_answer. `timeout`: other than the object's
  // own.
  Result<std::vector<InstantValue>> query(const std::string& promql,
                                          std::optional<Duration> timeout = {});
  // Prometheus evaluates at `start`, `start + step`, … up to `end`, at most 11 000 times a query.
  // Error "body_too_large" past `bytes_max` of an answer; `timeout`: other than the object's own.
  Result<std::vector<Series>> query_range(const std::string& promql, Time start, Time end,
                                          Duration step, std::size_t bytes_max = 256 << 20,
                                          std::optional<Duration> timeout = {});

 private:
  Result<net::ClientResponse> post(const std::string& path, std::string form,
                                   std::size_t answer_bytes_max, Duration timeout);

  std::string url_;
  Prepare prepare_;
  Duration timeout_;
  net::HttpClient client_;
};

// PURE: text as a PromQL string, in its quotes; as a regular expression of itself.
std::string promql_text(std::string_view text);
std::string regex_text(std::string_view text);

// PURE: the matchers of the incident's model, without braces. A cluster may be known from the
// external labels of the Prometheus that sent the alert; its own series do not have those.
std::string model_matchers(const incident::Incident& incident, bool with_version = true);

// The drift verdicts, drift scores and change estimate of the incident's model in its cluster and
// namespace, its inputs since the change beside those before it, and its owner where the alert
// names none. What could not be learnt is said in `trouble`. Thirteen queries at most; when the
// first gets no answer, no more are asked.
incident::Facts gather_facts(Prometheus& prometheus, const incident::Incident& incident, Time now);

// PURE: the values of the incident's workload; of the only one there is where it is none of them
// (an alert about the model server's own metrics has another job than the sidecar's). Nothing where
// several are left: they are not about the same model.
std::vector<InstantValue> of_workload(std::vector<InstantValue> values,
                                      const incident::Identity& who);

// An instant query's values, those of the incident's workload. Errors: those of Prometheus::query.
Result<std::vector<InstantValue>> query_of(Prometheus& prometheus,
                                           const incident::Incident& incident,
                                           const std::string& promql,
                                           std::optional<Duration> timeout = {});

// PURE: shares of pods {subject, state}, score series {subject} and features that the fleet's rules
// say moved {feature}, as facts' subjects. A subject's state is that of the middle pod: the gravest
// that more than half of the pods say, or a graver one. The worst of any pod would be drift
// somewhere in a large enough fleet. The subject "prediction" is what comes out of the model, so it
// is left out.
std::vector<incident::Facts::Subject> make_subjects(const std::vector<InstantValue>& verdicts,
                                                    const std::vector<InstantValue>& scores,
                                                    const std::vector<InstantValue>& moved);

}  // namespace outrider::query
