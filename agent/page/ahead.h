// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is forecast, as the pages need it: the JSON of GET /api/v1/forecasts, read. PURE. O(bytes).
//
// What the JSON does not have, or has of another kind, is absent here: nothing is made up.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/page/chart.h"
#include "base/core/series.h"
#include "base/wire/json.h"

namespace outrider::page {

// When a series reaches its limit. Nothing: not within what is forecast.
struct ToLimit {
  double limit = 0;
  std::optional<Duration> earliest = {}, expected = {}, latest = {};
  bool is_near() const { return earliest || expected; }
};
// "in 3 days, at the earliest in 2 days, at the latest in 5 days".
std::string to_limit_text(const ToLimit& to_limit);

struct Foretold {  // One series.
  struct Horizon {
    Duration after{};
    double low = 0, expected = 0, high = 0;
    std::uint64_t checked = 0, inside = 0;  // 90 % intervals whose time has come.
  };
  std::string forecast;  // The rule's name: "requests", "disk".
  Labels labels;
  std::vector<Horizon> horizons = {};
  std::optional<ToLimit> to_limit = {};
  Course past = {};
  std::optional<Band> ahead = {};
  std::vector<std::string> notes = {};  // What was done about the history.
  std::string trouble = {};             // Why there is no forecast.
};

struct Advised {  // One service, whose capacity is learned.
  std::string capacity;
  Labels labels;
  std::string says = {};
  std::optional<double> replicas = {};
  std::optional<double> bears = {};  // The load that these replicas bear.
  std::optional<double> wanted_now = {}, wanted_ahead = {};
  std::optional<Time> wanted_by = {};
  std::uint64_t enough = 0, too_few = 0, spare = 0;  // What was said, beside what came.
};

struct Ahead {
  std::vector<Foretold> series;
  std::vector<Advised> services;
};
Ahead read_ahead(const std::string& json);  // Of what is no JSON: nothing.

// "disk on node-1, /data": the labels that tell one series of a forecast from the next.
std::string series_name(const Foretold& foretold);

// Everything that is forecast of one model: advice, chart with its band and capacity, how far to
// trust it. "" where there is nothing.
std::string ahead_section(const Ahead& ahead, const std::string& model);

}  // namespace outrider::page
