// SPDX-License-Identifier: Apache-2.0
#pragma once

// GET /metrics: the collectors' metrics as text or OpenMetrics, as Accept has it, gzip where
// accepted.

#include <functional>
#include <vector>

#include "base/net/http_server.h"
#include "base/wire/exposed.h"
#include "base/wire/exposition.h"

namespace outrider::net {

// The collectors must outlive the handler. collect() may be called from several threads at once.
Handler metrics_page(std::vector<wire::Collector*> collectors);

// The same, with more families on the page: those that `more` gives at each request.
Handler metrics_page(std::vector<wire::Collector*> collectors,
                     std::function<wire::ExposedFamilies()> more);

// outrider_build_info and process_* (CPU seconds, resident memory, open files, start time).
class ProcessCollector final : public wire::Collector {
 public:
  void collect(wire::MetricSink& sink) override;
};

std::string gzip(std::string_view bytes);

}  // namespace outrider::net
