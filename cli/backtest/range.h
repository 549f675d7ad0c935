// SPDX-License-Identifier: Apache-2.0
#pragma once

// A range of a Prometheus's past, in pieces, since it answers only so many points at once.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/query/prometheus.h"
#include "base/core/clock.h"
#include "base/core/series.h"

namespace outrider::cli {

// "now", "now-30d", Unix seconds, YYYY-MM-DD HH:MM:SS (UTC). Throws std::runtime_error that names
// the option.
Time moment(std::string_view option, const std::string& text, Time now);

// As PromQL writes it: name{label="value"}.
std::string series_name(const Labels& labels);

class RangeReader {
 public:
  explicit RangeReader(const std::string& prometheus);

  using Progress = std::function<void(std::size_t done, std::size_t of)>;  // In queries.
  // By labels, each with its samples in time order. Throws std::runtime_error for what Prometheus
  // says or does not say.
  std::vector<Series> read(const std::string& promql, Time start, Time end, Duration step,
                           const Progress& progress = {});

 private:
  const std::string url_;
  query::Prometheus prometheus_;
};

}  // namespace outrider::cli
