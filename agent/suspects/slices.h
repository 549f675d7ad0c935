// SPDX-License-Identifier: Apache-2.0
#pragma once

// In which slices of its inputs a model got worse, over the rows of all its pods: each sidecar is
// asked for its counts (GET /api/v1/slices?counts=true), they are added, and the sum is judged
// (detectors/error_slices.h). SHELL; not thread-safe.
//
// Exact where all answer: counts of one version by the slices of one reference add up. A pod that
// answers twice (by two addresses) is taken once. Of sidecars with another version or reference the
// largest group is told, and that the others are not in it. Who did not answer is said.
//
// Looks. The agent asks again while rows come in. All looks at one change share the error budget
// (detectors/pane_looks.h): until the rows since the change have doubled the answer stands. It
// holds what was spent (`looks`), so a restart spends nothing twice.

#include <atomic>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "agent/incident/incident.h"
#include "agent/query/prometheus.h"
#include "base/net/http_client.h"

namespace outrider::suspects {

// Whom to ask about a model.
struct SliceSidecars {
  std::vector<std::string> urls;
  bool configured = true;  // Else found by Prometheus: not asked with credentials.
  std::string note;        // What is to be said of the choice.
};
// PURE. `instances`: of the model's predictions, by Prometheus. Of the configured sidecars those
// that Prometheus knows to serve the incident's model in its workload: by host and port, else by
// host, else all. Without configured ones the instances themselves.
SliceSidecars choose_sidecars(const std::vector<std::string>& configured,
                              const std::vector<std::string>& instances);
// Asks Prometheus for the instances; none where it does not know.
std::vector<std::string> model_instances(query::Prometheus& prometheus,
                                         const incident::Incident& incident, Duration timeout);

// When the change began, for all sidecars alike: as an earlier answer of this episode has it, else
// the alert's estimate, else the alert's begin. `from`: "alarm" or "alert".
struct SliceSince {
  Time at;
  std::string from;
};
SliceSince slice_since(const incident::Incident& incident);

// A sidecar's base URL, and its answer: a body, or why there is none.
using SliceAnswer = std::pair<std::string, Result<std::string>>;

// PURE. `rows_max`: of one sidecar and side, as it was asked.
incident::Slices sum_slices(const std::vector<SliceAnswer>& answers, const SliceSidecars& asked,
                            const incident::Incident& incident, std::uint64_t rows_max, Time now);

struct SliceBounds {
  std::size_t sidecars_max = 500;
  std::size_t at_once = 8;
  std::uint64_t rows_max = 4'000'000;  // A side, of all sidecars; each may tell of an equal share.
  Duration timeout = std::chrono::seconds(10);  // A sidecar reads for up to 4 s a side.
  Duration total = std::chrono::seconds(60);
  // Adds to a question what it is to be known by, and whom to trust. None: nothing.
  std::function<Result<void>(net::ClientRequest&)> prepare = {};
  const std::atomic<bool>* cancelled = nullptr;  // When it turns true the asking ends.
};
incident::Slices ask_slices(const SliceSidecars& sidecars, const incident::Incident& incident,
                            const SliceBounds& bounds, const Clock& clock);

}  // namespace outrider::suspects
