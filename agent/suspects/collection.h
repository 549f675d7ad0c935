// SPDX-License-Identifier: Apache-2.0
#pragma once

// The suspects of an incident and their metrics, from the series that Prometheus gave. PURE.
//
// One component has several names: Kubernetes knows its namespace, tracing does not. A name without
// a namespace is that of the only component of that name that has one. Of one component requests,
// errors and latency are of one family (the first that has them): a ratio of two sources would be
// wrong. So are its lines: two sources would count a line twice.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/diagnose/log_sites.h"
#include "agent/diagnose/rows.h"
#include "agent/incident/incident.h"
#include "agent/incident/topology.h"
#include "agent/suspects/metric_query.h"
#include "base/core/series.h"

namespace outrider::suspects {

// The times that are asked for.
struct Plan {
  Time from, at, to;  // The baseline's begin, the assumed onset, the last row.
  Duration step{}, rate{};
  std::size_t rows() const { return static_cast<std::size_t>((to - from) / step) + 1; }
};

struct Times {
  Duration baseline = std::chrono::hours(4);    // Before the onset.
  Duration step = std::chrono::seconds(30);     // Between rows.
  Duration rate = std::chrono::minutes(2);      // The window of rates.
  Duration lead = std::chrono::minutes(3);      // From a fault to its alert: `for`, evaluation.
  Duration window_max = std::chrono::hours(6);  // After the onset.
};
// The onset is the change that the alert estimates, else `lead` before the first alert of this
// episode. A late look at an old onset has longer rows, and as many.
Plan plan_of(const incident::Incident& incident, Time now, const Times& times);

struct Suspect {
  Role role = Role::workload;
  incident::Component place;  // The workload or the machine.
  std::string detail = {};    // A model's name, a GPU's number.
  std::string name() const;   // "shop/cart", "model house-price", "GPU 0 of machine node-7".
  auto operator<=>(const Suspect&) const = default;
};

class Collection {
 public:
  static constexpr std::size_t suspects_max = 1'000;
  static constexpr std::size_t versions_max = 1'000;
  static constexpr std::size_t log_sites_max = 2'000;  // Of all suspects together.
  static constexpr std::size_t log_site_bytes_max = 120;

  explicit Collection(Plan plan) : plan_(plan) {}

  void add(const MetricQuery& query, const std::vector<Series>& series);
  // Lines within plan().rate, a row each such time: rows that overlap would count a line twice.
  void add_logs(const LogsQuery& query, const std::vector<Series>& series);
  // Rates of predictions by model_version: a version that begins to answer is a promotion.
  void add_versions(const std::vector<Series>& series);
  void unknown(std::string what) { unknown_.push_back(std::move(what)); }
  void merge_names();  // Once, after the last add(). Suspects that only log are left out.

  struct Metrics {
    std::map<std::string, diagnose::Values, std::less<>> values;  // One a row.
    std::map<std::string, std::string> family;                    // By kind of metric.
    std::vector<diagnose::LogCount> logs;
    std::string logs_family;
  };
  const Plan& plan() const { return plan_; }
  const std::map<Suspect, Metrics>& suspects() const { return suspects_; }
  const std::vector<incident::Change>& promotions() const { return promotions_; }
  const std::vector<std::string>& log_sites() const { return log_sites_; }
  const std::vector<std::string>& unknown() const { return unknown_; }
  std::size_t series() const { return series_; }

 private:
  std::optional<Suspect> suspect_of(const MetricQuery& query, const Labels& labels) const;
  std::optional<std::uint32_t> log_site(const std::string& name);
  void leave_out_silent();
  void fold(Metrics& into, Metrics from);

  Plan plan_;
  std::map<Suspect, Metrics> suspects_;
  std::vector<incident::Change> promotions_;
  std::vector<std::string> unknown_, log_sites_;
  std::map<std::string, std::uint32_t> log_site_numbers_;
  std::size_t series_ = 0;
  bool full_ = false;
};

}  // namespace outrider::suspects
