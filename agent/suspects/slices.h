// SPDX-License-Identifier: Apache-2.0
#pragma once

// In which slices of its inputs a model got worse: asks the sidecars, each of which knows its own
// rows (GET /api/v1/slices). SHELL; not thread-safe.

#include <atomic>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "agent/incident/incident.h"
#include "base/net/http_client.h"

namespace outrider::suspects {

// A sidecar's base URL, and its answer: a body, or why there is none.
using SliceAnswer = std::pair<std::string, Result<std::string>>;

// PURE: of the answers that which names slices with the least p, else that of the most rows; pods
// are not summed. Without any the reason is told, of a sidecar that knows the model if there is
// one.
incident::Slices choose_slices(const std::vector<SliceAnswer>& answers, Time now);

struct SliceBounds {
  std::size_t sidecars_max = 32;
  Duration timeout = std::chrono::seconds(5);  // A slice answer takes up to 4 s a side.
  Duration total = std::chrono::seconds(30);
  // Adds to a question what it is to be known by, and whom to trust. None: nothing.
  std::function<Result<void>(net::ClientRequest&)> prepare = {};
  const std::atomic<bool>* cancelled = nullptr;  // When it turns true the asking ends.
};
incident::Slices ask_slices(net::HttpClient& client, const std::vector<std::string>& sidecars,
                            const incident::Incident& incident, const SliceBounds& bounds,
                            const Clock& clock);

}  // namespace outrider::suspects
